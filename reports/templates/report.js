"use strict";
// Everything that a model, a dataset or a file said is put in as text (textContent): nothing here parses markup.
(() => {
  const PAGE = 100;
  const LONG = 20000; // characters of a text that are shown at first

  // ------------------------------------------------------------------ elements

  function element(name, properties = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(properties)) {
      if (key in made && !key.startsWith("aria")) made[key] = value;
      else made.setAttribute(key, value);
    }
    made.append(...children.filter((child) => child !== null && child !== undefined));
    return made;
  }

  // Characters that change how others are shown, or that can't be seen, are written by their number.
  const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

  function shownText(text) {
    const whole = document.createDocumentFragment();
    let at = 0;
    for (const found of text.matchAll(HIDDEN)) {
      whole.append(text.slice(at, found.index));
      const code = found[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
      whole.append(element("span", { className: "control" }, `U+${code}`));
      at = found.index + found[0].length;
    }
    whole.append(text.slice(at));
    return whole;
  }

  function pre(text, parts = null) {
    const box = element("pre", { dir: "auto" });
    const fill = (all) => {
      box.replaceChildren();
      let left = all ? Infinity : LONG;
      for (const [same, piece] of parts ?? [[true, text]]) {
        if (left <= 0) break;
        const cut = piece.slice(0, left);
        left -= cut.length;
        box.append(same ? shownText(cut) : element("mark", {}, shownText(cut)));
      }
    };
    fill(false);
    if (text.length <= LONG) return box;
    const more = element("button", { type: "button" }, `Show all ${text.length.toLocaleString("en")} characters`);
    more.addEventListener("click", () => { fill(true); more.remove(); });
    return element("div", {}, box, more);
  }

  // ------------------------------------------------------------------ data

  async function unpacked(id) {
    const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (char) => char.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  }

  function kept(make) {
    const made = new Map();
    return (key) => { if (!made.has(key)) made.set(key, make(key)); return made.get(key); };
  }

  // ------------------------------------------------------------------ differences

  // The parts of two texts, line by line: [same, text]. The shortest way through is looked for (Myers, 1986) up to a bound, beyond
  // which what is between the common beginning and the common end counts as different.
  function difference(one, other) {
    const a = one.match(/[^\n]*\n|[^\n]+/g) ?? [], b = other.match(/[^\n]*\n|[^\n]+/g) ?? [];
    let start = 0, tail = 0;
    while (start < a.length && start < b.length && a[start] === b[start]) start++;
    while (tail < a.length - start && tail < b.length - start && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
    const [inA, inB] = common(a.slice(start, a.length - tail), b.slice(start, b.length - tail));
    const flags = (lines, inside) => lines.map((line, i) => [i < start || i >= lines.length - tail || inside.has(i - start), line]);
    return [joined(flags(a, inA)), joined(flags(b, inB))];
  }

  function common(a, b) {
    const inA = new Set(), inB = new Set(), trace = [];
    let front = new Map([[1, 0]]);
    const most = Math.min(a.length + b.length, 400);
    for (let d = 0; d <= most; d++) {
      const next = new Map(front);
      for (let k = -d; k <= d; k += 2) {
        const down = k === -d || (k !== d && (front.get(k - 1) ?? -1) < (front.get(k + 1) ?? -1));
        let x = down ? front.get(k + 1) ?? 0 : front.get(k - 1) + 1;
        while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++;
        next.set(k, x);
        if (x >= a.length && x - k >= b.length) {
          trace.push(front);
          let [i, j] = [a.length, b.length];
          for (let step = d; step >= 0; step--) {
            const before = trace[step], kk = i - j;
            const fromDown = kk === -step || (kk !== step && (before.get(kk - 1) ?? -1) < (before.get(kk + 1) ?? -1));
            const from = fromDown ? kk + 1 : kk - 1, px = step ? before.get(from) ?? 0 : 0, py = step ? px - from : 0;
            while (i > px && j > py && a[i - 1] === b[j - 1]) { i--; j--; inA.add(i); inB.add(j); }
            [i, j] = [px, py];
          }
          return [inA, inB];
        }
      }
      trace.push(front);
      front = next;
    }
    return [inA, inB];
  }

  function joined(flags) {
    const parts = [];
    for (const [same, line] of flags) {
      const last = parts[parts.length - 1];
      if (last && last[0] === same) last[1] += line;
      else parts.push([same, line]);
    }
    return parts;
  }

  // ------------------------------------------------------------------ tables that sort

  function number(text) {
    const found = /[-−+]?\d[\d,]*(\.\d+)?/.exec(text);
    return found ? Number(found[0].replaceAll(",", "").replace("−", "-")) : NaN;
  }

  function sortable(table) {
    const body = table.tBodies[0];
    [...table.tHead.rows[0].cells].forEach((cell, column) => {
      const button = element("button", { type: "button" }, ...cell.childNodes);
      cell.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = cell.getAttribute("aria-sort") !== "descending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        cell.setAttribute("aria-sort", down ? "descending" : "ascending");
        const keyed = [...body.rows].map((row) => [row.cells[column].textContent, row]);
        const numbers = column > 0 && keyed.some(([text]) => !Number.isNaN(number(text)));
        const order = numbers
          ? ([one], [two]) => (Number.isNaN(number(one)) ? 1 : Number.isNaN(number(two)) ? -1 : (number(two) - number(one)) * (down ? 1 : -1))
          : ([one], [two]) => two.localeCompare(one) * (down ? 1 : -1);
        body.append(...keyed.sort(order).map(([, row]) => row));
      });
    });
  }

  // ------------------------------------------------------------------ cases

  async function browse(section) {
    const run = section.dataset.run;
    const index = await unpacked(`${run}-index`);
    const { trials, cases, arms, intents, tags } = index;
    const total = trials.case.length;
    const shared = kept(() => unpacked(`${run}-common`));
    const block = kept((number) => unpacked(`${run}-block-${number}`));
    const form = section.querySelector("form"), body = section.querySelector(".trials tbody");
    const status = section.querySelector(".count"), pages = section.querySelector(".pages"), shown = section.querySelector(".trial");
    let found = [], page = 0, opener = null; // what a case was opened from gets the focus back

    const verdicts = ["right", "partly right", "wrong", "harmful", "no answer", "not scored"];
    function verdict(i) {
      if (trials.error[i]) return "no answer";
      if (trials.harm[i]) return "harmful";
      const right = trials.right[i];
      return right === null ? "not scored" : right === 1 ? "right" : right === 0 ? "wrong" : "partly right";
    }
    const look = { right: "right", "partly right": "wrong", wrong: "wrong", harmful: "harmful", "no answer": "none", "not scored": "none" };

    function options(name, values, first) {
      const select = form.elements[name];
      select.append(element("option", { value: "" }, first));
      values.forEach((value, i) => select.append(element("option", { value: String(i) }, value || "(empty)")));
    }
    options("arm", arms, "all");
    options("verdict", verdicts, "all");
    options("tag", tags, "all");
    options("expected", intents, "all");
    options("chosen", intents, "all");
    options("one", arms, "–");
    options("other", arms, "–");

    function flipped(one, other) {
      const scores = new Map();
      for (let i = 0; i < total; i++) {
        const arm = trials.arm[i];
        if (arm !== one && arm !== other) continue;
        const held = scores.get(trials.case[i]) ?? [[], []];
        held[arm === one ? 0 : 1].push(trials.right[i]);
        scores.set(trials.case[i], held);
      }
      const mean = (values) => values.filter((value) => value !== null).reduce((sum, value, _, all) => sum + value / all.length, 0);
      return new Set([...scores].filter(([, [a, b]]) => a.length && b.length && mean(a) !== mean(b)).map(([number]) => number));
    }

    function filter() {
      const value = (name) => (form.elements[name].value === "" ? null : Number(form.elements[name].value));
      const [arm, tag, expected, chosen, one, other] = ["arm", "tag", "expected", "chosen", "one", "other"].map(value);
      const wanted = value("verdict"), text = form.elements.text.value.trim().toLowerCase();
      const between = one !== null && other !== null && one !== other ? flipped(one, other) : null;
      found = [];
      for (let i = 0; i < total; i++) {
        const held = cases[trials.case[i]];
        if (arm !== null && trials.arm[i] !== arm) continue;
        if (between && !(between.has(trials.case[i]) && (trials.arm[i] === one || trials.arm[i] === other))) continue;
        if (tag !== null && !held[2].includes(tag)) continue;
        if (expected !== null && !held[5].includes(expected)) continue;
        if (chosen !== null && trials.chosen[i] !== chosen) continue;
        if (wanted !== null && verdict(i) !== verdicts[wanted]) continue;
        if (text && !held[1].toLowerCase().includes(text)) continue;
        found.push(i);
      }
      page = 0;
      list();
    }

    function list() {
      const first = page * PAGE, rows = found.slice(first, first + PAGE);
      body.replaceChildren(...rows.map((i) => {
        const held = cases[trials.case[i]], said = verdict(i);
        const repeat = trials.repeat[i] ? ` #${trials.repeat[i]}` : "";
        const open = element("button", { type: "button", className: "open" }, shownText(held[1] + repeat));
        const row = element("tr", {},
          element("td", {}, open),
          element("td", {}, shownText(arms[trials.arm[i]])),
          element("td", { className: look[said] }, said),
          element("td", {}, shownText(held[5].map((number) => intents[number]).join(" or "))),
          element("td", {}, trials.chosen[i] < 0 ? element("span", { className: "none" }, index.stages[trials.stage[i]] ?? "–") : shownText(intents[trials.chosen[i]])),
          element("td", {}, trials.tokens[i].toLocaleString("en")));
        row.addEventListener("click", () => show(i, null));
        return row;
      }));
      const last = Math.min(first + PAGE, found.length), of = found.length.toLocaleString("en");
      status.textContent = `${of} of ${total.toLocaleString("en")} trials`;
      pages.querySelector("span").textContent = found.length ? `${first + 1}–${last} of ${of}` : "none";
      pages.querySelector(".previous").disabled = page === 0;
      pages.querySelector(".next").disabled = last >= found.length;
    }

    // -------------------------------------------------------------- one case, side by side

    async function details(i) {
      const number = index.ends.findIndex((end) => i < end);
      if (number < 0) return null;
      const start = number ? index.ends[number - 1] : 0;
      const [held, texts] = await Promise.all([block(number), shared()]);
      const text = (place) => (place < 0 ? texts[-1 - place] : held.texts[place]);
      const firstCase = trials.case[start];
      return { ...held.trials[i - start], note: held.cases[trials.case[i] - firstCase], text };
    }

    function sent(one) {
      // A prompt as pieces: [role, kind, text]; what a format made of messages is shown as JSON but for its plain content.
      if (!one.prompt) return [];
      const pieces = [];
      for (const message of one.prompt.messages) {
        if ("message" in message) {
          const { role, content, ...rest } = one.text(message.message);
          const extra = Object.keys(rest).length ? `${content ? "\n" : ""}${JSON.stringify(rest, null, 1)}` : "";
          pieces.push([role, message.kind, `${content ?? ""}${extra}`]);
        } else {
          for (const [kind, place] of message.pieces) pieces.push([message.role, kind, one.text(place)]);
        }
      }
      for (const key of ["tools", "response_format"]) {
        if (one.prompt[key] !== undefined) pieces.push([key, "schema", JSON.stringify(one.text(one.prompt[key]), null, 1)]);
      }
      return pieces;
    }

    function prompt(one, pieces, against) {
      // Pieces of the same kind are held against each other; roles and kinds are labels.
      const others = new Map();
      for (const [, kind, text] of against ?? []) others.set(kind, `${others.get(kind) ?? ""}${text}\n`);
      const mine = new Map();
      for (const [, kind, text] of pieces) mine.set(kind, `${mine.get(kind) ?? ""}${text}\n`);
      const marks = new Map([...mine].map(([kind, text]) => [kind, against ? difference(text, others.get(kind) ?? "")[0] : [[true, text]]]));
      const left = new Map([...marks].map(([kind, parts]) => [kind, parts.map((part) => [...part])]));
      const take = (kind, length) => {
        const parts = left.get(kind), taken = [];
        while (length > 0 && parts.length) {
          const piece = parts[0][1].slice(0, length);
          taken.push([parts[0][0], piece]);
          length -= piece.length;
          if (piece.length === parts[0][1].length) parts.shift();
          else parts[0][1] = parts[0][1].slice(piece.length);
        }
        return taken;
      };
      const box = element("div", { className: "message" });
      let role = null;
      const seen = new Set();
      for (const [who, kind, text] of pieces) {
        const parts = take(kind, text.length);
        take(kind, 1);
        if (who !== role) box.append(element("div", { className: "role" }, shownText(who)));
        role = who;
        const tokens = one.segments[kind];
        const label = tokens && !seen.has(kind) ? `${kind} · ${tokens.toLocaleString("en")} tokens` : kind;
        seen.add(kind);
        box.append(element("div", { className: `piece ${kind}` }, element("div", { className: "kind" }, label), pre(text, parts)));
      }
      return box;
    }

    const written = (step) => `${step.intent}(${Object.entries(step.args ?? {}).map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(", ")})`;

    function outcome(one, i) {
      const rows = [["verdict", verdict(i)]];
      if (one.error) rows.push(["error", one.error]);
      if (one.parsed) {
        if (one.parsed.step) rows.push(["parsed step", written(one.parsed.step)]);
        rows.push(["form", one.parsed.form ?? "unparsable"]);
        if (one.parsed.stage) rows.push(["failed at", `${one.parsed.stage}: ${one.parsed.reason ?? ""}`]);
      }
      for (const [name, value, reason] of one.scores) rows.push([name, `${value ?? "–"}${reason ? `: ${reason}` : ""}`]);
      if (one.usage) rows.push(["usage", Object.entries(one.usage).map(([key, value]) => `${key} ${value}`).join(", ")]);
      if (one.seconds != null) rows.push(["time", `${one.seconds.toFixed(2)} s${one.finish ? `, ${one.finish}` : ""}`]);
      if (one.cost) rows.push(["cost", `$${one.cost.toPrecision(3)}`]);
      return element("dl", {}, ...rows.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, shownText(String(value)))]));
    }

    function came(i, one, chooser) {
      const box = element("div", { className: "side" }, chooser);
      if (!one) {
        box.append(element("p", {}, "What was sent and answered here isn't in this file."));
        return box;
      }
      box.append(outcome(one, i));
      if (one.answer !== undefined) {
        box.append(element("h4", {}, "Answer"), pre(one.answer || "(no text)"));
        for (const [name, args] of one.calls) box.append(pre(`${name}(${args})`));
      }
      return box;
    }

    function went(one, against) {
      const box = element("div", { className: "side" }), pieces = one ? sent(one) : [];
      if (pieces.length) box.append(element("h4", {}, "Prompt"), prompt(one, pieces, against && sent(against)));
      return box;
    }

    async function show(i, j) {
      const inCase = [];
      for (let n = 0; n < total; n++) if (trials.case[n] === trials.case[i]) inCase.push(n);
      if (j === null) {
        const baseline = index.baselines[trials.arm[i]];
        j = inCase.find((n) => trials.arm[n] === baseline && n !== i) ?? inCase.find((n) => n !== i) ?? null;
      }
      const [one, other] = await Promise.all([details(i), j === null ? null : details(j)]);
      const held = cases[trials.case[i]];
      const chooser = (current, change) => {
        const select = element("select", {}, ...inCase.map((n) => element("option", { value: String(n), selected: n === current },
          `${arms[trials.arm[n]]}${trials.repeat[n] ? ` #${trials.repeat[n]}` : ""}: ${verdict(n)}`)));
        select.addEventListener("change", () => change(Number(select.value)));
        return element("label", {}, "Arm ", select);
      };
      const close = element("button", { type: "button" }, "Close");
      close.addEventListener("click", hide);
      const facts = element("dl", {});
      const fact = (name, value) => value && facts.append(element("dt", {}, name), element("dd", {}, shownText(value)));
      fact("dataset", index.datasets[held[0]]);
      fact("expected", one ? one.note.labels.map(written).join(" or ") || held[5].map((n) => intents[n]).join(" or ") : "");
      fact("forbidden", one ? one.note.forbid.map(written).join(" or ") : "");
      fact("tags", held[2].map((n) => tags[n]).join(", "));
      fact("group", one ? one.note.group : "");
      const answers = element("div", { className: "sides" }, came(i, one, chooser(i, (n) => show(n, j))));
      const prompts = element("div", { className: "sides" }, went(one, other));
      if (j !== null) {
        answers.append(came(j, other, chooser(j, (n) => show(i, n))));
        prompts.append(went(other, one));
      }
      shown.replaceChildren(element("header", {}, element("h3", {}, shownText(held[1])), close), facts, answers, prompts);
      if (shown.hidden) opener = document.activeElement;
      shown.hidden = false;
      history.replaceState(null, "", `#${run}-trial-${i}${j === null ? "" : `-${j}`}`);
      shown.focus();
      shown.scrollIntoView({ block: "start" });
    }

    function hide() {
      shown.hidden = true;
      shown.replaceChildren();
      history.replaceState(null, "", `#${run}-cases`);
      (opener?.isConnected ? opener : form.elements.text).focus();
    }

    // -------------------------------------------------------------- from figures to the cases behind them

    function choose(wanted) {
      form.reset();
      for (const [name, value] of Object.entries(wanted)) if (value >= 0) form.elements[name].value = String(value);
      filter();
      section.scrollIntoView();
      form.elements.verdict.focus({ preventScroll: true });
    }

    function lead(cell, what, act) {
      const button = element("button", { type: "button", className: "lead", title: what }, ...cell.childNodes);
      button.addEventListener("click", act);
      cell.replaceChildren(button);
    }

    const LEADS = [["n", null], ["intent", "wrong"], ["agreed", "wrong"], ["step", "wrong"], ["harm", "harmful"], ["errors", "no answer"]];

    function leads(table) {
      const heads = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
      for (const row of table.tBodies[0].rows) {
        const texts = [...row.cells].map((cell) => cell.textContent);
        if (table.dataset.leads === "arms") {
          heads.forEach((head, column) => {
            const found = LEADS.find(([begin]) => head === begin || head.startsWith(`${begin} `));
            if (!found || texts[column] === "–") return;
            const kind = found[1] ?? "all";
            lead(row.cells[column], `${kind} trials of this arm`, () => choose({ arm: arms.indexOf(texts[0]), verdict: verdicts.indexOf(found[1]) }));
          });
        } else if (table.dataset.leads === "confusion") {
          const [arm, expected, chosen] = texts;
          lead(row.cells[3], "these trials", () => choose({ arm: arms.indexOf(arm), expected: intents.indexOf(expected.split(" or ")[0]), chosen: intents.indexOf(chosen) }));
        } else {
          const [name, , arm] = texts;
          const trial = trials.case.findIndex((number, i) => cases[number][1] === name && arms[trials.arm[i]] === arm && trials.harm[i]);
          if (trial >= 0) lead(row.cells[0], "this trial", () => show(trial, null));
        }
      }
    }

    section.parentElement.querySelectorAll("table[data-leads]").forEach(leads);
    form.addEventListener("input", filter);
    form.addEventListener("reset", () => setTimeout(filter));
    form.addEventListener("submit", (event) => event.preventDefault());
    pages.querySelector(".previous").addEventListener("click", () => { page--; list(); });
    pages.querySelector(".next").addEventListener("click", () => { page++; list(); });
    shown.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
    filter();
    const linked = new RegExp(`^#${run}-trial-(\\d+)(?:-(\\d+))?$`).exec(location.hash);
    if (linked && Number(linked[1]) < total) await show(Number(linked[1]), linked[2] && Number(linked[2]) < total ? Number(linked[2]) : null);
  }

  document.querySelectorAll("table.sortable").forEach(sortable);
  document.querySelectorAll("section.cases").forEach((section) => {
    browse(section).catch((error) => { section.querySelector(".count").textContent = `The cases can't be shown: ${error.message}`; });
  });
})();
