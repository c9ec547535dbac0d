"""Run the `test` blocks of policy sets and report what came of them."""
