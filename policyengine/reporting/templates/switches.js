"use strict";
const data = document.getElementById("rows");
if (data) {
  const rows = JSON.parse(data.textContent);
  const form = document.getElementById("switches"), place = form.querySelector("fieldset");
  const options = new Map();
  for (const row of rows)
    for (const [key, texts] of row.settings)
      options.set(key, [...new Set([...(options.get(key) || []), ...texts])]);
  const chosen = new Map();
  for (const [key, texts] of options) {
    chosen.set(key, texts[0]);
    const label = document.createElement("label"), select = document.createElement("select");
    label.textContent = key.replace(".", ": ").replaceAll("_", " ") + " ";
    select.name = key;
    for (const text of texts) select.add(new Option(text, text));
    select.addEventListener("change", () => { chosen.set(key, select.value); show(); });
    label.append(select);
    place.append(label);
  }
  const answer = (row, choice) => {
    let index = 0;
    for (const [key, texts] of row.settings) {
      const at = texts.indexOf(choice.get(key));
      if (at < 0) return -1;
      index = index * texts.length + at;
    }
    return row.answers[index];
  };
  const show = () => {
    let allowed = 0;
    rows.forEach((row, number) => {
      const target = document.querySelector(`[data-row="${number}"] [data-answer]`);
      const outcome = row.outcomes[answer(row, chosen)];
      if (!outcome) { target.textContent = "not decided for these settings"; return; }
      allowed += outcome.allowed;
      const verdict = document.createElement("span");
      verdict.className = outcome.allowed ? "yes" : "no";
      verdict.textContent = outcome.allowed ? "allowed" : "denied";
      let rest = outcome.allowed ? "" : `: ${outcome.reason}`;
      if (outcome.allowed && outcome.shown && outcome.shown.length) rest = `; shows ${outcome.shown.join(", ")}`;
      target.replaceChildren(verdict, rest);
    });
    document.getElementById("summary").textContent =
      `With these settings, ${allowed} of the ${rows.length} requests below ${allowed === 1 ? "is" : "are"} allowed.`;
    const effects = [];
    for (const [key, texts] of options)
      for (const text of texts) {
        if (text === chosen.get(key)) continue;
        const other = new Map(chosen).set(key, text);
        const count = rows.filter((row) => answer(row, other) !== answer(row, chosen)).length;
        const item = document.createElement("li");
        item.textContent = `If “${key.replace(".", ": ").replaceAll("_", " ")}” were “${text}”, ${count === 1 ? "one is" : `${count} are`} answered differently.`;
        if (count) effects.push(item);
      }
    document.getElementById("effects").replaceChildren(...effects);
  };
  form.hidden = false;
  show();
}
