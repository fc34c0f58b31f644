// What pages do beyond links and forms: keys, counting what is selected, charts, rows that stay up to date.
// Everything on a page works without this file.
"use strict";
(() => {
  const find = (what, within = document) => within.querySelector(what);
  const all = (what, within = document) => [...within.querySelectorAll(what)];
  const base = document.body.dataset.base;

  // --- time, copying, small forms ---------------------------------------------------------------------------------
  const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const ago = (iso) => {
    const seconds = (Date.now() - Date.parse(iso)) / 1000, size = Math.abs(seconds);
    if (size < 1) return "now";
    const [unit, word] = UNITS.find(([one]) => size >= one);
    const text = `${Math.floor(size / unit)} ${word}`;
    return seconds > 0 ? `${text} ago` : `in ${text}`;
  };
  const tick = () => all("time[data-ago]").forEach((one) => { one.textContent = ago(one.dateTime); });
  setInterval(tick, 5000);

  const dress = () => {
    all("[data-copy]").forEach((one) => { one.hidden = !navigator.clipboard; });
    all("[data-help], [data-all]").forEach((one) => { one.hidden = false; });
    count();
  };
  document.addEventListener("click", async (event) => {
    const copy = event.target.closest("[data-copy]");
    if (copy) {
      await navigator.clipboard.writeText(find(`#${copy.dataset.copy}`).textContent);
      copy.textContent = "Copied";
      setTimeout(() => { copy.textContent = "Copy"; }, 1500);
    }
    if (event.target.closest("[data-help]")) find("#keys").showModal();
  });
  document.addEventListener("change", (event) => {
    const form = event.target.closest("[data-submit-on-change]");
    if (form) form.submit();
  });

  // --- many jobs at once ------------------------------------------------------------------------------------------
  let lastPick = null;
  const picks = () => all("[data-pick]");
  const count = () => {
    const words = find("[data-picked]");
    if (!words) return;
    const many = picks().filter((one) => one.checked).length;
    const matching = find("[name=which][value=matching]")?.checked;
    words.textContent = matching ? "All that match the filters; the next page counts them."
      : many ? `${many} selected` : words.dataset.picked;
    words.closest(".bulk").classList.toggle("is-on", Boolean(many || matching));
    const every = find("[data-all]");
    if (every) { every.checked = many > 0 && many === picks().length; every.indeterminate = many > 0 && !every.checked; }
  };
  document.addEventListener("click", (event) => {
    const pick = event.target.closest("[data-pick]");
    if (!pick) return;
    if (event.shiftKey && lastPick?.isConnected) {
      const listed = picks(), [from, to] = [listed.indexOf(lastPick), listed.indexOf(pick)].sort((a, b) => a - b);
      listed.slice(from, to + 1).forEach((one) => { one.checked = pick.checked; });
    }
    lastPick = pick;
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-all]")) picks().forEach((one) => { one.checked = event.target.checked; });
    if (event.target.matches("[data-all], [data-pick], [name=which]")) count();
  });

  // --- keys -------------------------------------------------------------------------------------------------------
  const rows = () => all("[data-rows] tbody tr, ul[data-rows] > li").filter((row) => find("[data-open]", row));
  const at = () => rows().findIndex((row) => row.hasAttribute("data-at"));
  const move = (by) => {
    const listed = rows(), was = at();
    if (!listed.length) return;
    const next = was < 0 ? (by > 0 ? 0 : listed.length - 1) : Math.min(Math.max(was + by, 0), listed.length - 1);
    listed[was]?.removeAttribute("data-at");
    listed[next].setAttribute("data-at", "");
    find("[data-open]", listed[next]).focus({ preventScroll: true });
    listed[next].scrollIntoView({ block: "nearest" });
  };
  const replay = () => {
    const selected = picks().some((one) => one.checked), row = rows()[at()];
    if (!selected && row && find("[data-pick]", row)) { find("[data-pick]", row).checked = true; count(); }
    const within = row && !find("[data-pick]", row) ? find("[data-replay], button[name=limit]", row) : null;
    const button = within || (picks().some((one) => one.checked) && find("[data-action=replay]")) || find("[data-replay]");
    if (button) button.click();
  };
  let gone = 0;
  const KEYS = {
    "/": () => find("[data-search]") ? find("[data-search]").focus() : location.assign(`${base}jobs`),
    j: () => move(1), k: () => move(-1), r: replay, "?": () => find("#keys").showModal(),
    x: () => { const pick = rows()[at()] && find("[data-pick]", rows()[at()]); if (pick) { pick.checked = !pick.checked; lastPick = pick; count(); } },
    g: () => { gone = Date.now(); },
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || find("dialog[open]")) return;
    if (event.target.matches("input:not([type=checkbox]):not([type=radio]), select, textarea")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const mark = Date.now() - gone < 1500 && find(`[data-go="${CSS.escape(event.key)}"]`);
    gone = 0;
    if (mark) { event.preventDefault(); mark.click(); return; }
    const act = KEYS[event.key];
    if (act) { event.preventDefault(); act(); }
  });

  // --- live: a sign of it, and rows that stay where they are --------------------------------------------------------
  const sign = (word, isOff) => all("[data-live-sign]").forEach((one) => {
    one.hidden = false;
    one.classList.toggle("is-off", isOff);
    find("[data-live-word]", one).textContent = word;
  });
  // htmx looks at the page by a timer of its own, at times before its extension has come: what it then passes by stays
  // unconnected. Behind that timer, with the extension here, the stream is named and looked at
  setTimeout(() => {
    const stream = find("[data-stream]");
    if (!stream) return;
    stream.setAttribute("hx-sse:connect", stream.dataset.stream);
    htmx.process(stream);
  });
  document.addEventListener("htmx:sse:after:connection", () => sign("Live", false));
  document.addEventListener("htmx:sse:error", (event) => {
    sign("Reconnecting", true);
    if (event.detail.status === 401) location.reload(); // the session has ended: the page is the way in again
  });
  document.addEventListener("htmx:sse:close", () => sign("Not live", true));
  let liveWord = "";
  document.addEventListener("down", () => { liveWord = "The database does not answer"; sign(liveWord, true); });

  let refreshing = false, refreshed = 0;
  const refreshRows = async () => {
    const table = find("[data-live-rows]");
    if (!table?.dataset.liveRows || refreshing || document.hidden || Date.now() - refreshed < 4000) return;
    refreshing = true;
    try {
      const answer = await fetch(table.dataset.liveRows, { headers: { accept: "text/html", "hx-request": "true" } });
      if (answer.status === 401) location.reload();
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      let fresh = 0;
      all("tbody tr[id]", page).forEach((row) => {
        const mine = document.getElementById(row.id);
        if (!mine) { fresh += 1; return; }
        all("[data-part]", row).forEach((part) => {
          const old = find(`[data-part="${part.dataset.part}"]`, mine);
          if (old && old.innerHTML !== part.innerHTML) old.replaceChildren(...[...part.childNodes].map((n) => document.adoptNode(n)));
        });
      });
      all("[data-count]", page).forEach((one) => {
        const mine = find(`[data-count="${one.dataset.count}"]`);
        if (mine) mine.textContent = one.textContent;
      });
      const more = find("[data-fresh]");
      if (more && fresh) {
        more.hidden = false;
        find("a", more).textContent = fresh === rows().length ? "Show newer" : `Show ${fresh} newer`;
      }
    } finally { refreshing = false; refreshed = Date.now(); }
  };

  // --- charts -------------------------------------------------------------------------------------------------------
  const FIELDS = {
    ends: [["jobs_per_sec", "good", 1, "ended"], ["failed", "bad", 1, "failed"]],
    wait: [["wait_p50_ms", "soft", .001, "p50"], ["wait_p95_ms", "middle", .001, "p95"], ["wait_p99_ms", "strong", .001, "p99"]],
    decided: [["ingest", "bad", 1, "refused"], ["policy", "good", 1, "put off"]],
    run: [["run_p50_ms", "soft", .001, "p50"], ["run_p95_ms", "middle", .001, "p95"], ["run_p99_ms", "strong", .001, "p99"]],
  };
  const DASHES = { bad: [5, 3], middle: [5, 3], soft: [1.5, 3] };
  const colourOf = (name) => {
    // asked of an element: only there is light or dark decided
    const probe = document.createElement("i");
    probe.className = `c-${name}`;
    probe.style.color = name === "ink" ? "var(--ink-3)" : name === "grid" ? "var(--line)" : "var(--c)";
    document.body.append(probe);
    const colour = getComputedStyle(probe).color;
    probe.remove();
    return colour;
  };
  const span = (seconds) => seconds == null ? "–" : seconds >= 3600 ? `${+(seconds / 3600).toFixed(1)} h`
    : seconds >= 60 ? `${+(seconds / 60).toFixed(1)} min` : seconds >= 1 ? `${+seconds.toFixed(1)} s`
    : seconds >= .01 || !seconds ? `${Math.round(seconds * 1000)} ms` : `${+(seconds * 1000).toFixed(1)} ms`;
  const rate = (unit) => (value) => value == null ? "–" : `${+value.toFixed(value >= 10 ? 0 : 2)}${unit}`;
  const isLong = (times) => times.at(-1) - times[0] > 86400;
  const drawn = new Map();
  const dataOf = (key, items) => [items.map((one) => Date.parse(one.at) / 1000), ...FIELDS[key].map(([field, , scale]) =>
    items.map((one) => field === "failed" ? (one.seconds ? one.failed / one.seconds : 0) : one[field] == null ? null : one[field] * scale))];

  const tip = (write) => {
    let box;
    return { hooks: {
      init: (plot) => { box = document.createElement("div"); box.className = "tip"; box.hidden = true; plot.over.append(box); },
      setCursor: (plot) => {
        const { idx, left } = plot.cursor;
        box.hidden = idx == null || left < 0;
        if (box.hidden) return;
        const time = new Date(plot.data[0][idx] * 1000).toISOString().slice(...(isLong(plot.data[0]) ? [5, 16] : [11, 19])).replace("T", " ");
        box.textContent = [`${time} UTC`, ...plot.series.slice(1).map((line, n) => `${line.label} ${write(plot.data[n + 1][idx])}`)].join("\n");
        box.style.left = `${left > plot.over.clientWidth / 2 ? left - box.offsetWidth - 8 : left + 8}px`;
        box.style.top = "0px";
      },
    } };
  };
  const draw = (figure, items) => {
    const key = figure.dataset.chart, place = find("[data-plot]", figure), data = dataOf(key, items);
    if (drawn.has(key)) { drawn.get(key).setData(data); return; }
    const write = figure.dataset.unit === "s" ? span : rate(figure.dataset.unit), ink = colourOf("ink"), grid = colourOf("grid");
    const font = `11px ${getComputedStyle(document.body).fontFamily}`;
    const size = () => ({ width: place.clientWidth, height: place.clientHeight });
    place.replaceChildren();
    place.classList.add("is-drawn");
    const axis = { stroke: ink, font, ticks: { show: false }, grid: { stroke: grid, width: 1 } };
    const plot = new uPlot({
      ...size(), legend: { show: false }, padding: [8, 4, 0, 0], cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      scales: { y: { range: (_, __, most) => [0, most > 0 ? most * 1.08 : 1] } },
      axes: [{ ...axis, grid: { show: false }, size: 24, space: 64, values: isLong(data[0]) ? "{MM}-{DD}" : "{HH}:{mm}" }, { ...axis, size: 52, space: 32, values: (_, ticks) => ticks.map((one) => one ? write(one) : "0") }],
      series: [{}, ...FIELDS[key].map(([, name, , label]) => ({ label, stroke: colourOf(name), width: 1.75, dash: DASHES[name], points: { show: false }, spanGaps: false }))],
      plugins: [tip(write)],
    }, data, place);
    find("canvas", place).setAttribute("role", "img");
    find("canvas", place).setAttribute("aria-label", `${find(".chart-title", figure).textContent}; the numbers follow as a table`);
    new ResizeObserver(() => plot.setSize(size())).observe(place);
    drawn.set(key, plot);
  };
  let charted = 0;
  const refreshCharts = async () => {
    const figures = all("[data-chart]"), step = Number(find("[data-charts]")?.dataset.step || 10);
    if (!figures.length || !window.uPlot || document.hidden || Date.now() - charted < Math.min(step, 10) * 1000) return;
    charted = Date.now();
    const answer = await fetch(figures[0].dataset.url, { headers: { accept: "application/json" } });
    if (!answer.ok) return;
    const { items } = await answer.json();
    if (items.length > 1 && figures[0].dataset.unit) items.pop(); // a rate of what is under way says little
    figures.forEach((figure) => draw(figure, items));
  };

  document.addEventListener("glance", () => { sign("Live", false); refreshRows(); refreshCharts(); });
  document.addEventListener("htmx:after:swap", () => { dress(); tick(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { drawn.forEach((plot) => plot.destroy()); drawn.clear(); charted = 0; refreshCharts(); });
  // on a phone the navigation is wider than the screen: the page one is on is brought into sight, and nothing else moves
  const here = find(".nav [aria-current]"), bar = here?.closest("nav");
  const beyond = here ? here.getBoundingClientRect().right - bar.getBoundingClientRect().right : 0;
  if (beyond > 0) bar.scrollLeft += beyond + here.offsetWidth;
  dress();
  refreshCharts();
})();
