"use strict";
const data = document.getElementById("tables");
if (data) {
  const { labels, factors, parts, tables } = JSON.parse(data.textContent);
  const form = document.getElementById("choices"), place = form.querySelector("fieldset");
  const options = new Map(), chosen = new Map();
  for (const [key, texts] of factors)
    options.set(key, [...new Set([...(options.get(key) || []), ...texts])]);
  for (const [key, texts] of options) {
    chosen.set(key, texts[0]);
    const label = document.createElement("label"), select = document.createElement("select");
    label.textContent = `${labels[key]} `;
    select.name = key;
    for (const text of texts) select.add(new Option(text, text));
    select.addEventListener("change", () => { chosen.set(key, select.value); show(); });
    label.append(select);
    place.append(label);
  }
  const outcome = (table) => {
    const opened = new Set(), forbidding = [], fields = new Map(table.fieldGates.map((gate) => [gate, new Map()]));
    for (const number of table.parts) {
      const part = parts[number];
      let index = 0;
      for (const [key, texts] of part.factors.map((factor) => factors[factor])) {
        const at = texts.indexOf(chosen.get(key));
        if (at < 0) return null;
        index = index * texts.length + at;
      }
      if (part.counts[index] !== "1") continue;
      if (part.effect === "forbid") { forbidding.push(part.rule); continue; }
      if (part.effect === "permit") opened.add(part.gate);
      const most = fields.get(part.gate);
      if (most)
        for (const [name, mask, detail] of part.fields)
          if (!most.has(name) || detail > most.get(name).detail) most.set(name, { mask, detail });
    }
    const shut = table.gates.filter((gate) => !opened.has(gate)), shown = [], [first, ...others] = fields.values();
    for (const [name, { mask, detail }] of first || []) {
      let least = { mask, detail };
      for (const other of others) {
        const there = other.get(name);
        if (!there) least = null;
        else if (least && there.detail < least.detail) least = there;
      }
      if (least) shown.push(least.mask ? `${name} as ${least.mask}` : name);
    }
    return { shut, forbidding, shown: shown.sort() };
  };
  const none = () => Object.assign(document.createElement("li"), { textContent: "None." });
  const show = () => {
    const lists = { allowed: [], denied: [] };
    for (const table of tables) {
      const found = outcome(table), item = document.createElement("li"), link = document.createElement("a");
      link.href = table.href;
      link.textContent = table.action;
      const open = table.left.filter((key) => chosen.get(key) && chosen.get(key) !== options.get(key)[0]);
      const but = open.length ? ` (${open.map((key) => labels[key]).join(", ")} as in the example)` : "";
      const text = !found ? "not decided for these"
        : found.forbidding.length ? `forbidden by ${found.forbidding.join(", ")}`
        : found.shut.length ? `not permitted: ${found.shut.join(", ")}`
        : found.shown.length ? `shows ${found.shown.join(", ")}` : "allowed";
      item.append(link, `${table.types && " "}${table.types}: ${text}${but}`);
      const allowed = found && !found.forbidding.length && !found.shut.length;
      lists[allowed ? "allowed" : "denied"].push(item);
    }
    for (const [name, items] of Object.entries(lists)) document.getElementById(name).replaceChildren(...(items.length ? items : [none()]));
    document.getElementById("summary").textContent =
      `${lists.allowed.length} of ${tables.length} requests ${lists.allowed.length === 1 ? "is" : "are"} allowed.`;
  };
  form.hidden = false;
  show();
}
