"""Put rules and requests into the words of other engines, each as its makers would have it."""
