"use strict";
// Everything that a model, a dataset or a file said is put in as text (textContent): nothing here parses markup.
(() => {
  const PAGE = 100;
  const LONG = 20000; // characters of a text that are shown at first
  const FIRST = 2; // scores of an agent's run that are shown at first
  const BRIEF = 160; // characters of what happened in a step that are shown at first

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

  const EDITS = 2000; // words put in and left out, up to which the shortest way is looked for

  // Two texts as parts, [shared, text], word by word. What is shared is told by words: signs alone between differences are a chance.
  function difference(one, other) {
    const texts = [words(one), words(other)];
    return shared(...texts).map((flags, side) => parts(texts[side], flags));
  }

  function words(text) {
    return text.match(/[\p{L}\p{N}_]+|\s+|[^\p{L}\p{N}_\s]/gu) ?? [];
  }

  function parts(list, flags) {
    const runs = [];
    list.forEach((word, i) => {
      const last = runs[runs.length - 1];
      if (last && last[0] === Boolean(flags[i])) last[1] += word;
      else runs.push([Boolean(flags[i]), word]);
    });
    const found = [];
    runs.forEach(([same, text], i) => {
      const kept = same && (i === 0 || i === runs.length - 1 || /[\p{L}\p{N}]/u.test(text));
      const last = found[found.length - 1];
      if (last && last[0] === kept) last[1] += text;
      else found.push([kept, text]);
    });
    return found;
  }

  // Which words of each are in the longest sequence that both have (Myers, An O(ND) difference algorithm, 1986). Where that takes more
  // than EDITS steps, the way that got furthest counts.
  function shared(a, b) {
    const inA = new Uint8Array(a.length), inB = new Uint8Array(b.length);
    let start = 0, endA = a.length, endB = b.length;
    while (start < endA && start < endB && a[start] === b[start]) inA[start] = inB[start++] = 1;
    while (endA > start && endB > start && a[endA - 1] === b[endB - 1]) inA[--endA] = inB[--endB] = 1;
    const width = endA - start, height = endB - start, most = Math.min(width + height, EDITS), middle = most + 1;
    const reach = new Int32Array(2 * most + 3), before = []; // how far each diagonal got, and had got before each step
    const down = (held, at, k, step) => k === -step || (k !== step && held[at + k - 1] < held[at + k + 1]);
    let done = false, furthest = [0, 0, 0];
    for (let step = 0; step <= most && !done; step++) {
      before.push(reach.slice(middle - step - 1, middle + step + 2));
      for (let k = -step; k <= step && !done; k += 2) {
        let x = down(reach, middle, k, step) ? reach[middle + k + 1] : reach[middle + k - 1] + 1;
        while (x < width && x - k < height && a[start + x] === b[start + x - k]) x++;
        reach[middle + k] = x;
        if (x <= width && x - k <= height && x + x - k > furthest[1] + furthest[2]) furthest = [step, x, x - k];
        done = x >= width && x - k >= height;
        if (done) furthest = [step, x, x - k];
      }
    }
    for (let [step, x, y] = furthest; step >= 0; step--) {
      const k = x - y, held = before[step], at = step + 1;
      const from = down(held, at, k, step) ? k + 1 : k - 1, px = step ? held[at + from] : 0, py = step ? px - from : 0;
      while (x > px && y > py) inA[start + --x] = inB[start + --y] = 1;
      [x, y] = [px, py];
    }
    return [inA, inB];
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

  // The address keeps what is looked at: #RUN?variant=…&verdict=…&open=3&against=5. Figures of tables are links to such addresses.
  function addressed() {
    const found = /^#(r\d+)\?(.*)$/.exec(location.hash);
    return found ? [found[1], new URLSearchParams(found[2])] : [null, new URLSearchParams()];
  }

  const WRONG = ["partly correct", "wrong arguments", "wrong step"];
  const LOOK = { correct: "correct", success: "correct", forbidden: "forbidden", "no answer": "none", "not scored": "none" };

  async function browse(section) {
    const run = section.dataset.run;
    const index = await unpacked(`${run}-index`);
    const { trials, cases, variants, steps, tags, forms, verdicts, endings, loops } = index;
    const total = trials.case.length;
    const common = kept(() => unpacked(`${run}-common`));
    const block = kept((number) => unpacked(`${run}-block-${number}`));
    const form = section.querySelector("form"), body = section.querySelector(".trials tbody");
    const status = section.querySelector(".count"), pages = section.querySelector(".pages"), shown = section.querySelector(".trial");
    let found = [], page = 0, filtered = null, opener = null; // what a case was opened from gets the focus back

    const named = (i) => `${index.datasets[cases[trials.case[i]][0]]}::${cases[trials.case[i]][1]}[${index.ids[trials.variant[i]]}]#${trials.repeat[i]}`;
    const verdict = (i) => (trials.forbidden[i] ? "forbidden" : verdicts[trials.verdict[i]]);
    const ofCase = (number) => trials.case.flatMap((held, i) => (held === number ? [i] : []));

    // -------------------------------------------------------------- filters

    const fields = [...form.elements].filter((field) => field.name);
    const lists = {
      variant: variants, verdict: [...(loops ? [] : ["wrong"]), "forbidden", ...verdicts], ended: endings, tag: tags, expected: steps, chosen: steps, form: forms,
      labels: ["judged", "logged"], one: variants, other: variants,
    };

    function offer() {
      const used = {
        variant: trials.variant, one: trials.variant, other: trials.variant, chosen: trials.chosen, form: trials.form, verdict: lists.verdict.keys(),
        tag: cases.flatMap((held) => held[2]), expected: cases.map((held) => held[5]), labels: cases.map((held) => held[6]),
        ended: trials.ended ?? [], steps: trials.steps ?? [], events: cases.map((held) => held[3] || -1), turn: cases.map((held) => held[4] ?? -1),
      };
      for (const field of fields) {
        const values = [...new Set(used[field.name])].filter((number) => number >= 0).sort((one, two) => one - two);
        if (field.name in lists) {
          field.append(element("option", { value: "" }, field.name === "one" || field.name === "other" ? "–" : "all"));
          for (const number of values) field.append(element("option", { value: String(number) }, lists[field.name][number] || "(empty)"));
        }
        const idle = field.name in used && values.length < (field.name === "tag" ? 1 : 2);
        if (idle) field.closest(field.name === "one" || field.name === "other" ? "fieldset" : "label").hidden = true;
      }
    }

    function chosenFilters() {
      const params = new URLSearchParams();
      for (const { name, value } of fields) if (value !== "") params.set(name, name in lists ? lists[name][Number(value)] : value);
      return params;
    }

    function fill(params) {
      for (const field of fields) {
        const value = params.get(field.name);
        field.value = value === null ? "" : field.name in lists ? String(lists[field.name].indexOf(value)) : value;
      }
    }

    // The cases on which two variants differ in their mean score; of a variant and itself, those whose repeats chose different steps.
    function flipped(one, other) {
      const values = new Map(), answered = (i) => verdicts[trials.verdict[i]] !== "no answer";
      const step = (i) => (trials.chosen[i] < 0 || steps[trials.chosen[i]].startsWith("(") ? -1 : trials.chosen[i]); // none is one, too
      for (let i = 0; i < total; i++) {
        const variant = trials.variant[i], value = one !== other ? trials.value[i] : answered(i) ? step(i) : null;
        if ((variant !== one && variant !== other) || value === null) continue;
        const held = values.get(trials.case[i]) ?? [[], []];
        held[variant === one ? 0 : 1].push(value);
        values.set(trials.case[i], held);
      }
      const mean = (all) => all.reduce((sum, value) => sum + value, 0) / all.length;
      const differ = ([a, b]) => (one === other ? new Set(a).size > 1 : a.length && b.length && mean(a) !== mean(b));
      return new Set([...values].filter(([, held]) => differ(held)).map(([number]) => number));
    }

    function filter() {
      const value = Object.fromEntries(fields.map((field) => [field.name, field.value === "" ? null : Number(field.value)]));
      const { variant, ended = null, tag, expected, chosen, labels, one, other } = value;
      const text = form.elements.text.value.trim().toLowerCase();
      const band = (name) => /^(\d+)(?:[–-](\d+))?$/.exec(form.elements[name]?.value.trim() ?? "");
      const [length, events, turn] = [band("steps"), band("events"), band("turn")];
      const inside = (number, [, low, high]) => number !== null && number >= Number(low) && number <= Number(high ?? low);
      const between = one !== null && other !== null ? flipped(one, other) : null;
      const suits = cases.map((held, number) =>
        (tag === null || held[2].includes(tag)) && (expected === null || held[5] === expected) && (labels === null || held[6] === labels)
        && (!events || inside(held[3], events)) && (!turn || inside(held[4], turn))
        && (!text || held[1].toLowerCase().includes(text)) && (!between || between.has(number)));
      const kind = value.verdict === null ? null : lists.verdict[value.verdict];
      const judged = {
        null: () => true,
        wrong: (i) => WRONG.includes(verdicts[trials.verdict[i]]),
        forbidden: (i) => trials.forbidden[i],
      }[kind] ?? ((i) => verdicts[trials.verdict[i]] === kind);
      found = [];
      for (let i = 0; i < total; i++) {
        if (variant !== null && trials.variant[i] !== variant) continue;
        if (between && trials.variant[i] !== one && trials.variant[i] !== other) continue;
        if (ended !== null && trials.ended[i] !== ended) continue;
        if (length && !inside(trials.steps[i], length)) continue;
        if (chosen !== null && trials.chosen[i] !== chosen) continue;
        if (value.form !== null && trials.form[i] !== value.form) continue;
        if (suits[trials.case[i]] && judged(i)) found.push(i);
      }
      page = 0;
      list();
    }

    function list() {
      const first = page * PAGE, rows = found.slice(first, first + PAGE), link = linking();
      body.replaceChildren(...rows.map((i) => {
        const held = cases[trials.case[i]], said = verdict(i);
        const repeat = trials.repeat[i] ? ` #${trials.repeat[i]}` : "";
        const chosen = trials.chosen[i] < 0 ? "–" : steps[trials.chosen[i]];
        return element("tr", {},
          element("td", {}, element("a", { href: link(i), className: "open" }, shownText(held[1] + repeat))),
          element("td", {}, shownText(variants[trials.variant[i]])),
          element("td", { className: LOOK[said] ?? "wrong" }, said),
          ...(loops
            ? [element("td", {}, endings[trials.ended[i]] ?? "–"), element("td", {}, trials.steps[i] || "–")]
            : [element("td", {}, shownText(steps[held[5]])), element("td", { className: chosen.startsWith("(") ? "none" : "" }, shownText(chosen))]),
          element("td", {}, trials.tokens[i].toLocaleString("en")));
      }));
      const last = Math.min(first + PAGE, found.length), of = found.length.toLocaleString("en");
      status.textContent = `${of} of ${total.toLocaleString("en")} trials`;
      pages.querySelector("span").textContent = found.length ? `${first + 1}–${last} of ${of}` : "none";
      pages.querySelector(".previous").disabled = page === 0;
      pages.querySelector(".next").disabled = last >= found.length;
    }

    // -------------------------------------------------------------- addresses

    // Gives addresses of trials, with the filters as they are.
    function linking() {
      const filters = chosenFilters();
      return (i, j = null) => {
        const params = new URLSearchParams(filters);
        params.set("open", i);
        if (j !== null) params.set("against", j);
        return `#${run}?${params}`;
      };
    }

    async function follow() {
      const [here, params] = addressed();
      if (here !== run && location.hash && filtered !== null) return; // it is about something else
      const mine = here === run ? params : new URLSearchParams();
      const [open, against] = ["open", "against"].map((name) => (/^\d+$/.test(mine.get(name) ?? "") ? Number(mine.get(name)) : null));
      mine.delete("open");
      mine.delete("against");
      if (String(mine) !== filtered) {
        fill(mine);
        filtered = String(mine);
        filter();
      }
      const back = !shown.hidden;
      if (open !== null && open < total) {
        await show(open, against !== null && against < total ? against : null);
      } else if (back) {
        shut();
        (opener?.isConnected ? opener : form.elements.text).focus();
      } else if (here === run) {
        section.scrollIntoView();
        form.elements.verdict.focus({ preventScroll: true });
      }
    }

    function changed() {
      filtered = String(chosenFilters());
      history.replaceState(null, "", `#${run}?${filtered}`);
      shut();
      filter();
    }

    function shut() {
      shown.hidden = true;
      shown.replaceChildren();
    }

    // -------------------------------------------------------------- one case, side by side

    async function details(i) {
      const number = index.ends.findIndex((end) => i < end);
      if (number < 0) return null;
      const start = number ? index.ends[number - 1] : 0;
      const [held, texts] = await Promise.all([block(number), common()]);
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

    // Pieces of a kind are held against each other as one text. Gives, for each side, parts by kind.
    function compared(mine, theirs) {
      const [a, b] = [mine, theirs].map((pieces) => {
        const whole = new Map();
        for (const [, kind, text] of pieces) whole.set(kind, `${whole.get(kind) ?? ""}${text}\n`);
        return whole;
      });
      const marks = [new Map(), new Map()];
      for (const kind of new Set([...a.keys(), ...b.keys()])) {
        difference(a.get(kind) ?? "", b.get(kind) ?? "").forEach((parts, side) => marks[side].set(kind, parts));
      }
      return marks;
    }

    function prompt(one, pieces, marks, alikeSaid = "the same in both") {
      const left = new Map([...marks ?? []].map(([kind, parts]) => [kind, parts.map((part) => [...part])]));
      const take = (kind, length) => {
        const parts = left.get(kind), taken = [];
        while (length > 0 && parts?.length) {
          const piece = parts[0][1].slice(0, length);
          taken.push([parts[0][0], piece]);
          length -= piece.length;
          if (piece.length === parts[0][1].length) parts.shift();
          else parts[0][1] = parts[0][1].slice(piece.length);
        }
        return taken;
      };
      const box = element("div", { className: "message" }), seen = new Set();
      let role = null;
      for (const [who, kind, text] of pieces) {
        const parts = marks ? take(kind, text.length) : [[true, text]];
        take(kind, 1); // the line's end between pieces
        if (who !== role) box.append(element("div", { className: "role" }, shownText(who)));
        role = who;
        const tokens = one.segments[kind], alike = marks && marks.get(kind).every(([same]) => same);
        const facts = [kind, tokens && !seen.has(kind) ? `${tokens.toLocaleString("en")} tokens` : null, alike ? alikeSaid : null];
        const label = facts.filter(Boolean).join(" · ");
        seen.add(kind);
        box.append(alike
          ? element("details", { className: `piece ${kind}` }, element("summary", { className: "kind" }, label), pre(text, parts))
          : element("div", { className: `piece ${kind}` }, element("div", { className: "kind" }, label), pre(text, parts)));
      }
      return box;
    }

    const written = (step) => `${step.intent}(${Object.entries(step.args ?? {}).map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(", ")})`;

    function told(one) {
      const rows = [];
      if (one.error) rows.push(["error", one.error]);
      if (one.parsed) {
        if (one.parsed.step) rows.push(["step", written(one.parsed.step)]);
        rows.push(["as it stands", one.parsed.as_it_stands ? written(one.parsed.as_it_stands) : "no step"]);
        if (one.parsed.further?.length) rows.push(["further steps", one.parsed.further.map(written).join(", ")]);
        rows.push(["form", one.parsed.form ?? "unparsable"]);
        if (one.parsed.marks?.length) rows.push(["marks", one.parsed.marks.join(", ")]);
        if (one.parsed.stage) rows.push(["failed at", `${one.parsed.stage}: ${one.parsed.reason ?? ""}`]);
      }
      for (const [name, value, reason] of one.scores) rows.push([name, `${value ?? "–"}${reason ? `: ${reason}` : ""}`]);
      if (Object.keys(one.usage ?? {}).length) rows.push(["usage", Object.entries(one.usage).map(([key, value]) => `${key} ${value}`).join(", ")]);
      if (one.seconds != null) rows.push(["time", `${one.seconds.toFixed(2)} s${one.finish ? `, ${one.finish}` : ""}`]);
      if (one.cost) rows.push(["cost", `$${one.cost.toPrecision(3)}`]);
      return rows;
    }

    // What is known of a trial: of one that isn't in the file, what the list shows.
    function outcome(one, i) {
      const listed = () => loops ? [["ended", endings[trials.ended[i]] ?? "–"], ["steps", trials.steps[i]]] : [["chosen", steps[trials.chosen[i]] ?? "–"], ["form", forms[trials.form[i]] ?? "–"]];
      const rows = one ? told(one) : listed(), brief = one?.outcome ? [...how(one.outcome), ...rows.splice(0, FIRST)] : rows.splice(0);
      const list = (pairs) => element("dl", {}, ...pairs.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, shownText(String(value)))]));
      const box = element("div", {}, list([["result", verdict(i)], ...brief, ["trial", named(i)]]));
      if (rows.length) box.append(element("details", {}, element("summary", {}, "All scores and usage"), list(rows)));
      return box;
    }

    function came(i, one, chooser) {
      const box = element("div", { className: "side" }, chooser, outcome(one, i));
      if (!one) box.append(element("p", {}, `What was ${loops ? "done" : "sent and answered"} isn't in this file: `, element("code", {}, "phrasing show RUN TRIAL"), " has it."));
      else if (one.answer !== undefined) {
        box.append(element("h4", {}, "Answer"), pre(one.answer || "(no text)"));
        for (const [name, args] of one.calls) box.append(pre(`${name}(${args})`));
      }
      return box;
    }

    function went(one, pieces, marks) {
      const box = element("div", { className: "side" });
      if (pieces.length) box.append(element("h4", {}, "Prompt"), prompt(one, pieces, marks));
      return box;
    }

    // -------------------------------------------------------------- one run of an agent, step by step

    const how = ({ ended, why, steps: n, now }) => [
      ["ended", why ? `${ended}: ${why}` : ended], ["steps", n.toLocaleString("en")], ["virtual time", `${now.toLocaleString("en")} s`],
    ];

    const picks = (step) => (step.parsed?.step ? [step.parsed.step, ...(step.parsed.further ?? [])] : []);

    // The first step in which two runs differ: another step or other arguments, or only one of them has it.
    function parting(one, other) {
      const ordered = (key, value) => (value && typeof value === "object" && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) : value);
      const text = (step) => step && JSON.stringify(picks(step).map(({ intent, args }) => [intent, args ?? {}]), ordered);
      for (let n = 0; n < Math.max(one.length, other.length); n++) if (text(one[n]) !== text(other[n])) return n;
      return null;
    }

    // A name with the data beside it; below, where they are long.
    function happening(word, type, data) {
      const text = typeof data === "string" ? data : JSON.stringify(data, null, 1).replace(/\n */g, " "), head = word === type ? [] : [" ", shownText(type)];
      const title = element("span", {}, element("b", { className: word }, word), ...head);
      if (data === null) return element("li", {}, title);
      if (text.length <= BRIEF) return element("li", {}, title, " ", element("code", {}, shownText(text)));
      const long = typeof data === "string" ? data : JSON.stringify(data, null, 1);
      return element("li", {}, element("details", {},
        element("summary", {}, title, " ", element("code", {}, shownText(`${text.slice(0, BRIEF)}…`)), ` ${text.length.toLocaleString("en")} characters`),
        pre(long)));
    }

    function came_of(since) {
      const list = element("ul", { className: "came" });
      if (!since) return list;
      for (const [type, data] of since.shown) list.append(happening(type === "error" ? "error" : "shown", type, data));
      for (const [type, data, harm] of since.effects) list.append(happening(harm ? "harm" : "effect", type, data));
      if (since.anew !== undefined) list.append(happening("thread", "thread", `written anew by its control: ${since.anew} events`));
      return list;
    }

    // What was sent is put together when it is looked at: what is new since the step before is marked.
    function asked(one, n) {
      const step = one.steps[n], { spread = 0, ...counts } = step.segments, least = Object.values(counts).reduce((sum, count) => sum + count, 0);
      const tokens = [least, ...(spread ? [least + spread] : [])].map((count) => count.toLocaleString("en")).join("–");
      const box = element("details", { className: "asked" }, element("summary", {}, `${step.prompt ? "Prompt and answer" : "Answer"} · ${tokens} tokens`));
      box.addEventListener("toggle", () => {
        const here = { ...step, text: one.text }, before = n ? { ...one.steps[n - 1], text: one.text } : null;
        const pieces = sent(here), marks = before?.prompt && step.prompt ? compared(sent(before), pieces)[1] : null;
        const rows = told(here).flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, shownText(String(value)))]);
        box.append(element("h5", {}, "Answer"), pre(step.answer || "(no text)"), ...step.calls.map(([name, args]) => pre(`${name}(${args})`)),
          element("dl", {}, ...rows));
        if (pieces.length) box.append(element("h5", {}, "Prompt"), prompt(here, pieces, marks, "the same a step before"));
      }, { once: true });
      return box;
    }

    function taken(one, n, i) {
      const step = one?.steps[n], ended = one?.outcome && n === one.steps.length;
      if (!step && !ended) return element("div", { className: "side" });
      const box = element("div", { className: "side step" }, element("div", { className: "of" }, shownText(variants[trials.variant[i]])));
      if (ended) {
        box.append(element("div", { className: "kind" }, "Ended"), element("div", { className: "picked" }, how(one.outcome)[0][1]));
        return box;
      }
      const made = picks(step), at = step.since ? ` · at ${step.since.now.toLocaleString("en")} s` : "";
      box.append(element("div", { className: "kind" }, `Step ${n + 1}${at}`),
        element("pre", { className: made.length ? "picked" : "picked none" }, shownText(made.length ? made.map(written).join("\n") : `no step: ${step.parsed?.reason ?? ""}`)),
        came_of((one.steps[n + 1] ?? { since: one.after.since }).since), asked(one, n));
      return box;
    }

    function stepped(sides, places) {
      const all = sides.map((one) => one?.steps ?? []), apart = all.length === 2 && all.every((steps) => steps.length) ? parting(...all) : null;
      const box = element("section", { className: "steps", "aria-label": "Steps" });
      const row = (make) => element("div", { className: "sides" }, ...places.map((i, side) => make(sides[side], i)));
      box.append(element("h4", {}, "Steps"));
      if (sides.some((one) => one && !one.steps.length)) box.append(element("p", { className: "told" }, "This file keeps no steps of such a run."));
      if (all.length === 2 && all.every((steps) => steps.length)) {
        if (apart === null) box.append(element("p", { className: "told" }, "Both took the same steps."));
        else {
          const jump = element("button", { type: "button", className: "jump" }, `They part at step ${apart + 1}`);
          jump.addEventListener("click", () => { const there = box.querySelector(".parting"); there.scrollIntoView({ block: "start" }); there.focus(); });
          box.append(jump);
        }
      }
      if (sides.some((one) => one?.steps[0]?.since)) box.append(row((one) => element("div", { className: "side step" }, came_of(one?.steps[0]?.since))));
      for (let n = 0; n <= Math.max(...all.map((steps) => steps.length)); n++) {
        if (n === apart) box.append(element("h5", { className: "parting", tabIndex: -1 }, `Here they part: step ${n + 1}`));
        const made = row((one, i) => taken(one, n, i));
        if (apart !== null && n >= apart) made.classList.add("apart");
        box.append(made);
      }
      return box;
    }

    // The trial beside which one is shown: of the variant that it is compared with.
    function beside(i) {
      const [one, other] = ["one", "other"].map((name) => (form.elements[name].value === "" ? null : Number(form.elements[name].value)));
      const variant = trials.variant[i], others = ofCase(trials.case[i]).filter((n) => n !== i);
      const partner = variant === one && other !== null ? other : variant === other && one !== null ? one : index.baselines[variant];
      return others.find((n) => trials.variant[n] === partner && trials.repeat[n] === trials.repeat[i])
        ?? others.find((n) => trials.variant[n] === partner) ?? others[0] ?? null;
    }

    // The next trial of the list that is of another case, of the same variant if that case has one.
    function onward(i, by) {
      const at = found.indexOf(i);
      for (let place = at + by; at >= 0 && place >= 0 && place < found.length; place += by) {
        const number = trials.case[found[place]];
        if (number !== trials.case[i]) return ofCase(number).find((n) => trials.variant[n] === trials.variant[i]) ?? found[place];
      }
      return null;
    }

    async function show(i, against) {
      const j = against ?? beside(i), link = linking(), held = cases[trials.case[i]], inCase = ofCase(trials.case[i]);
      const [one, other] = await Promise.all([details(i), j === null ? null : details(j)]);
      const chooser = (current, change) => {
        const select = element("select", {}, ...inCase.map((n) => element("option", { value: String(n), selected: n === current },
          `${variants[trials.variant[n]]}${trials.repeat[n] ? ` #${trials.repeat[n]}` : ""}: ${verdict(n)}`)));
        select.addEventListener("change", () => location.replace(change(Number(select.value))));
        return element("label", {}, "Variant ", select);
      };
      const moves = element("nav", { "aria-label": loops ? "Tasks" : "Cases" });
      for (const [by, words] of [[-1, `Previous ${loops ? "task" : "case"}`], [1, `Next ${loops ? "task" : "case"}`]]) {
        const there = onward(i, by);
        if (there !== null) moves.append(element("a", { href: link(there) }, words), " ");
      }
      moves.append(element("a", { href: `#${run}?${chosenFilters()}`, className: "close" }, "Close"));
      const facts = element("dl", {});
      const fact = (name, value) => value && facts.append(element("dt", {}, name), element("dd", {}, shownText(value)));
      fact(loops ? "tasks" : "dataset", index.datasets[held[0]]);
      const joined = { all: " and ", sequence: ", then " }[one?.note.together] ?? " or ";
      fact("expected", one?.note.labels.map(written).join(joined) || steps[held[5]]);
      fact("forbidden", one?.note.forbid.map(written).join(" or "));
      fact("tags", held[2].map((n) => tags[n]).join(", "));
      fact("group", one?.note.group);
      const pieces = [one, other].map((side) => (side ? sent(side) : []));
      const marks = one?.prompt && other?.prompt ? compared(...pieces) : [null, null];
      const answers = element("div", { className: "sides" }, came(i, one, chooser(i, (n) => link(n, j))));
      const prompts = element("div", { className: "sides" }, went(one, pieces[0], marks[0]));
      if (j !== null) {
        answers.append(came(j, other, chooser(j, (n) => link(i, n))));
        prompts.append(went(other, pieces[1], marks[1]));
      }
      const below = loops ? stepped(j === null ? [one] : [one, other], j === null ? [i] : [i, j]) : prompts;
      if (shown.hidden) opener = document.activeElement;
      shown.replaceChildren(element("header", {}, element("h3", {}, shownText(held[1])), moves), facts, answers, below);
      shown.hidden = false;
      shown.focus();
      shown.scrollIntoView({ block: "start" });
    }

    offer();
    form.addEventListener("input", changed);
    form.addEventListener("reset", () => setTimeout(changed));
    form.addEventListener("submit", (event) => event.preventDefault());
    pages.querySelector(".previous").addEventListener("click", () => { page--; list(); });
    pages.querySelector(".next").addEventListener("click", () => { page++; list(); });
    shown.addEventListener("keydown", (event) => { if (event.key === "Escape") shown.querySelector("a.close").click(); });
    window.addEventListener("hashchange", follow);
    await follow();
  }

  document.querySelectorAll("table.sortable").forEach(sortable);
  document.querySelectorAll("section.cases").forEach((section) => {
    browse(section).catch((error) => { section.querySelector(".count").textContent = `The cases can't be shown: ${error.message}`; });
  });
})();
