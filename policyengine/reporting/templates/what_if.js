"use strict";
const data = document.getElementById("tables");
if (data) {
  const { labels, tables } = JSON.parse(data.textContent);
  const form = document.getElementById("choices"), place = form.querySelector("fieldset");
  const options = new Map(), chosen = new Map();
  for (const table of tables)
    for (const part of table.parts)
      for (const [key, texts] of part.factors)
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
    const found = { shut: [], forbidding: [], shown: [] };
    for (const part of table.parts) {
      let index = 0;
      for (const [key, texts] of part.factors) {
        const at = texts.indexOf(chosen.get(key));
        if (at < 0) return null;
        index = index * texts.length + at;
      }
      for (const name of Object.keys(found)) found[name].push(...part.outcomes[part.answers[index]][name]);
    }
    return found;
  };
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
      item.append(link, `: ${text}${but}`);
      const allowed = found && !found.forbidding.length && !found.shut.length;
      lists[allowed ? "allowed" : "denied"].push(item);
    }
    for (const [name, items] of Object.entries(lists)) document.getElementById(name).replaceChildren(...items);
    document.getElementById("summary").textContent =
      `${lists.allowed.length} of ${tables.length} are allowed.`;
  };
  form.hidden = false;
  show();
}
