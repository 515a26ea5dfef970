"use strict";
// The layer table: search, filters, sorting, details, keyboard and links. In: the JSON in #data (page.py: script_data).
// Every text goes through textContent: nothing from a log or a model is ever parsed as markup.
const trtlens = (() => {
  const STATUSES = ["dense", "sparse", "dense-unknown", "undetermined", "ineligible", "other"];
  const STATUS_WORDS = { dense: "dense", sparse: "sparse", "dense-unknown": "dense?", undetermined: "unknown", ineligible: "ineligible", other: "other" };
  const PROOFS = ["proven", "suggested", "unknown"];
  const COLUMNS = [
    ["status", "status"], ["name", "layer"], ["type", "type"], ["precision", "precision"], ["reason", "why"], ["proof", "proof"],
    ["time", "ms"], ["dense", "best dense"], ["sparse", "best sparse"],
  ];
  const TITLES = { time: "time of the layer in the timing profile, milliseconds", dense: "fastest dense tactic timed, milliseconds", sparse: "fastest sparse tactic timed, milliseconds" };
  const NUMERIC = new Set(["time", "dense", "sparse"]);
  const CHUNK = 150;
  const NAME_SHOWN = 96;
  const state = { q: "", status: "", reason: "", proof: "", type: "", precision: "", capture: "", sort: "time", dir: "desc", layer: "" };
  const fields = ["q", "status", "reason", "proof", "type", "precision", "capture", "sort", "dir", "layer"];
  const app = { data: null, layers: [], shown: [], rendered: 0, defaults: {} };
  const byId = (id) => document.getElementById(id);

  function make(tag, attributes, ...children) {
    const node = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (key === "class") node.className = value;
      else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
      else node.setAttribute(key, value === true ? "" : value);
    }
    node.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
    return node;
  }
  function svg(tag, attributes, ...children) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...children);
    return node;
  }
  function ms(value) {
    if (value === undefined || value === null) return "?";
    const size = Math.abs(value);
    if (size === 0) return "0";
    return size >= 100 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : size >= 1 ? value.toFixed(2) : size >= 0.01 ? value.toFixed(3) : size >= 0.001 ? value.toFixed(4) : value.toPrecision(2);
  }
  function shorten(text, limit) {
    if (text.length <= limit) return text;
    const head = Math.floor((limit - 1) / 2);
    return text.slice(0, head) + "…" + text.slice(text.length - (limit - 1 - head));
  }
  async function unpack(text) {
    const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  }

  // --- state and address ---------------------------------------------------------------------------------------------------------
  function readAddress() {
    Object.assign(state, app.defaults);
    const query = new Map();
    for (const pair of location.hash.slice(1).split("&")) {
      // Not URLSearchParams: a hand-written `conv1 + relu1` must keep its plus.
      const [key, ...rest] = pair.split("=");
      try { query.set(key, decodeURIComponent(rest.join("="))); } catch { query.set(key, rest.join("=")); }
    }
    for (const field of fields) if (query.has(field)) state[field] = query.get(field);
    if (!COLUMNS.some(([key]) => key === state.sort)) state.sort = app.defaults.sort;
    if (query.has("layer")) {
      // A link to a layer must show it whatever the default filter hides.
      const layer = find(state.layer);
      if (layer && !query.has("status")) state.status = "";
    } else if (query.has("reason") && !query.has("status")) state.status = "";
  }
  function address() {
    const pairs = fields.filter((field) => state[field] !== app.defaults[field]).map((field) => `${field}=${encodeURIComponent(state[field])}`);
    return pairs.length ? "#" + pairs.join("&") : "";
  }
  function saveAddress() {
    try { history.replaceState(null, "", address() || location.pathname + location.search); } catch { /* a sandboxed frame has no history */ }
  }
  const find = (name) => app.layers.find((layer) => layer.name === name && (state.capture === "" || String(layer.capture || 0) === state.capture));

  // --- filter and sort -----------------------------------------------------------------------------------------------------------
  function matches(layer, except) {
    for (const field of ["status", "reason", "proof", "type", "precision"]) {
      if (field !== except && state[field] !== "" && (layer[field] || "") !== state[field]) return false;
    }
    if (state.capture !== "" && String(layer.capture || 0) !== state.capture) return false;
    if (state.q === "") return true;
    layer.haystack ??= [layer.name, layer.type, layer.reason, (layer.nodes || []).join("\n"), (layer.tactic || []).join("\n")].join("\n").toLowerCase();
    return state.q.toLowerCase().split(/\s+/).every((word) => layer.haystack.includes(word));
  }
  function compare(key, direction) {
    const sign = direction === "asc" ? 1 : -1;
    const rank = key === "status" ? STATUSES : key === "proof" ? PROOFS : null;
    return (a, b) => {
      const x = a[key], y = b[key];
      if (x === undefined || y === undefined) return x === y ? a.position - b.position : x === undefined ? 1 : -1;  // Unknown stands last either way.
      const difference = rank ? rank.indexOf(x) - rank.indexOf(y) : NUMERIC.has(key) ? x - y : x < y ? -1 : x > y ? 1 : 0;
      return difference ? sign * difference : a.position - b.position;
    };
  }
  function update() {
    app.shown = app.layers.filter((layer) => matches(layer)).sort(compare(state.sort, state.dir));
    app.rendered = 0;
    byId("rows").replaceChildren();
    renderChunk();
    const concerned = app.shown.reduce((sum, layer) => sum + (layer.time || 0), 0);
    byId("found").textContent = `${app.shown.length.toLocaleString("en")} of ${app.layers.length.toLocaleString("en")} layers` + (concerned ? `, ${ms(concerned)} ms` : "");
    for (const [key] of COLUMNS) {
      const head = byId("head-" + key);
      if (key === state.sort) head.setAttribute("aria-sort", state.dir === "asc" ? "ascending" : "descending"); else head.removeAttribute("aria-sort");
    }
    for (const chip of document.querySelectorAll(".chip")) chip.setAttribute("aria-pressed", String(chip.dataset.status === state.status));
    for (const select of document.querySelectorAll(".controls select")) select.value = state[select.dataset.field];
    if (byId("search").value !== state.q) byId("search").value = state.q;
    byId("empty").hidden = app.shown.length > 0;
    if (state.layer) reveal(state.layer);
  }
  function change(changes) { Object.assign(state, changes); state.layer = ""; update(); saveAddress(); }

  // --- rows ----------------------------------------------------------------------------------------------------------------------
  function renderChunk(until) {
    // Chunks out of sight are not laid out (content-visibility in style.css): thousands of rows stay fluid.
    const end = Math.min(Math.max(app.rendered + CHUNK, until || 0), app.shown.length);
    const rows = [];
    for (; app.rendered < end; app.rendered++) rows.push(row(app.shown[app.rendered], app.rendered));
    if (rows.length) byId("rows").append(make("div", { class: "chunk", role: "rowgroup" }, ...rows));
    byId("grid").setAttribute("aria-rowcount", app.shown.length + 1);
    byId("more").hidden = app.rendered >= app.shown.length;
  }
  function row(layer, index) {
    const name = layer.name || "(no name)";
    const button = make("button", { class: "open", type: "button", "aria-expanded": "false", title: name.length > NAME_SHOWN ? name.slice(0, 1000) : null }, shorten(name, NAME_SHOWN));
    const cell = (key, ...content) => make("div", { role: "cell", class: `c-${key}${NUMERIC.has(key) ? " number" : ""}` }, ...content);
    const node = make("div", { class: "row", role: "row" },
      cell("status", make("span", { class: "mark mark-" + layer.status, "aria-hidden": "true" }), make("span", { class: "word" }, STATUS_WORDS[layer.status])),
      cell("name", button), cell("type", shorten(layer.type || "", 40)), cell("precision", layer.precision || ""),
      cell("reason", make("span", { title: app.data.titles[layer.reason] }, layer.reason || "")), cell("proof", layer.reason ? layer.proof : ""), cell("time", ms(layer.time)),
      cell("dense", layer.dense === undefined ? "" : ms(layer.dense)), cell("sparse", layer.sparse === undefined ? (layer.noSparse ? "none" : "") : ms(layer.sparse)));
    node.layer = layer;
    node.dataset.index = index;
    return node;
  }
  function toggle(node, open) {
    const isOpen = node.hasAttribute("data-open");
    if (open === isOpen) return;
    const button = node.querySelector(".open");
    if (isOpen) {
      node.removeAttribute("data-open");
      node.nextElementSibling.remove();
      button.setAttribute("aria-expanded", "false");
      button.removeAttribute("aria-controls");
    } else {
      node.setAttribute("data-open", "");
      const id = "detail-" + node.dataset.index;
      node.after(make("div", { class: "detail", id, role: "row" }, make("div", { role: "cell" }, detail(node.layer))));
      button.setAttribute("aria-expanded", "true");
      button.setAttribute("aria-controls", id);
    }
    state.layer = isOpen ? "" : node.layer.name;
    saveAddress();
  }
  function reveal(name) {
    const index = app.shown.findIndex((layer) => layer.name === name);
    if (index < 0) return;
    if (index >= app.rendered) renderChunk(index + 20);
    const node = byId("rows").querySelector(`.row[data-index="${index}"]`);
    toggle(node, true);
    node.querySelector(".open").focus({ preventScroll: true });
    settle(node, 8);
  }
  // Chunks above get their true height only when they come near: look again until the row stays where it should be.
  function settle(node, tries) {
    const before = scrollY;
    node.scrollIntoView({ block: "start" });
    if (tries > 0) requestAnimationFrame(() => { if (tries === 8 || scrollY !== before) settle(node, tries - 1); });
  }
  function go(name) {
    if (!app.shown.some((layer) => layer.name === name)) Object.assign(state, app.defaults, { status: "" });
    state.layer = name;
    update();
    saveAddress();
  }

  // --- details -------------------------------------------------------------------------------------------------------------------
  // Sentences of the catalogue set code between backticks.
  const prose = (text) => text.split(/`([^`]+)`/).map((part, index) => (index % 2 ? make("code", {}, part) : part));
  const link = (layer, text) => make("a", { href: "#layer=" + encodeURIComponent(layer.name) }, text || shorten(layer.name, 70) || "(no name)");
  const list = (items) => make("ul", { class: "plain" }, ...items.map((item) => make("li", {}, ...[].concat(item))));
  function evidence(items) {
    return make("ul", { class: "evidence" }, ...items.map(([place, text]) => make("li", {}, make("span", { class: "place" }, place), make("code", {}, text))));
  }
  function figures(pairs) {
    return make("dl", { class: "figures" }, ...pairs.flatMap(([label, value]) => [make("dt", {}, label), make("dd", {}, value)]));
  }
  function times(ratio) {
    return ratio === null || ratio === undefined ? "?" : `${ratio.toFixed(2)}×`;
  }

  function detail(layer) {
    const left = [], right = [];
    const part = (side, title, node) => side.push(make("h3", {}, title), node);
    left.push(make("p", { class: "lead" }, ...prose(layer.summary || "")));
    if (layer.figures) left.push(figures(layer.figures));
    if (layer.inherited) left.push(make("p", {}, "Verdict of an equal layer: ", link({ name: layer.inherited })));
    if (layer.remedies) part(left, "What to do", list(layer.remedies.map(([text, gain]) => [...prose(text), make("span", { class: "gain" }, gain)])));
    if (layer.suspects) part(left, "Suspects, likeliest first", list(layer.suspects.map(([reason, proof, summary]) => [make("b", {}, reason), ` (${proof}) `, ...prose(summary)])));
    if (layer.races) part(left, "Races: every timed tactic, by format combination", make("div", {}, ...races(layer)));
    if (layer.evidence) part(left, "Evidence", evidence(layer.evidence));
    const facts = [["status", layer.status], ["why", (layer.reason || "none") + (app.data.titles[layer.reason] ? ": " + app.data.titles[layer.reason] : "")], ["proof", layer.proof]];
    if (layer.type) facts.push(["type", layer.type]);
    facts.push(["eligible", layer.eligible.join(", ")]);
    for (const [index, label] of ["tactic", "", ""].entries()) if (layer.tactic && layer.tactic[index]) facts.push([label, layer.tactic[index]]);
    if (layer.inputs) facts.push(["inputs", layer.inputs.join("; ")]);
    if (layer.outputs) facts.push(["outputs", layer.outputs.join("; ")]);
    if (layer.profile !== undefined) facts.push(["optimization profile", String(layer.profile)]);
    if (layer.nodes) facts.push(["ONNX nodes", layer.nodes.join(", ")]);
    if (layer.ceiling) facts.push(["ceiling", `an ideal sparse kernel would be ${times(layer.ceiling[0])} as fast as an ideal dense one; none can be more than ${times(layer.ceiling[1])} as fast as the dense one that runs`]);
    part(right, "Layer", figures(facts));
    if (layer.weights) part(right, "Weights", list(layer.weights));
    if (layer.samples) part(right, `Profile samples (${layer.samples.length})`, samples(layer.samples));
    if (layer.reformats) part(right, "Reformats beside it", list(layer.reformats.map(([tensor, from, to, time, line]) => `${tensor}: ${from} → ${to}, ${time === 0 ? "free" : ms(time) + " ms"}${line ? `, line ${line}` : ""}`)));
    if (layer.eligibleEvidence) part(right, "Why eligible", evidence(layer.eligibleEvidence));
    const neighbours = [-1, 1].map((step) => app.layers[app.layers.indexOf(layer) + step]).map((other) => (other && (other.capture || 0) === (layer.capture || 0) ? other : null));
    if (neighbours.some(Boolean)) part(right, "Neighbours in the engine", list(neighbours.flatMap((other, index) => (other ? [[index ? "next: " : "previous: ", link(other)]] : []))));
    const copy = make("button", { type: "button", onclick: () => copyLink(copy, layer) }, "Copy link to this layer");
    const title = layer.name.length > NAME_SHOWN ? make("div", { class: "detail-title" }, layer.name) : null;
    return make("div", {}, title || "",
      make("div", { class: "detail-grid" }, make("div", {}, ...left), make("div", {}, ...right)), make("div", { class: "tools" }, copy));
  }
  function copyLink(button, layer) {
    const text = location.href.split("#")[0] + "#layer=" + encodeURIComponent(layer.name);
    const done = (word) => { button.textContent = word; };
    if (navigator.clipboard) navigator.clipboard.writeText(text).then(() => done("Copied"), () => done("The address bar holds the link"));
    else done("The address bar holds the link");
  }
  function races(layer) {
    const all = layer.races.flatMap((race) => race.tactics.map((tactic) => tactic[2]));
    const low = Math.min(...all), high = Math.max(...all), width = Math.min(640, innerWidth - 40);
    const place = (value) => 10 + (high > low ? (value - low) / (high - low) : 0) * (width - 20);
    return layer.races.map((race) => {
      const plot = svg("svg", { class: "race", viewBox: `0 0 ${width} 34`, role: "img", "aria-label": `${race.tactics.length} tactics from ${ms(low)} to ${ms(high)} milliseconds` },
        svg("line", { x1: 10, x2: width - 10, y1: 12, y2: 12 }),
        ...race.tactics.map(([, sparse, time]) => svg("circle", { class: sparse === null ? "dot-unknown" : sparse ? "dot-sparse" : "dot-dense", cx: place(time).toFixed(1), cy: 12, r: 4 })));
      const left = svg("text", { x: 10, y: 31 }), right = svg("text", { x: width - 10, y: 31, "text-anchor": "end" });
      left.textContent = ms(low) + " ms";
      right.textContent = ms(high) + " ms";
      plot.append(left, right);
      const table = make("table", { class: "tactics" }, make("thead", {}, make("tr", {}, ...["kernel", "tactic", "ms", "line"].map((text, index) => make("th", { scope: "col", class: index > 1 ? "number" : null }, text)))),
        make("tbody", {}, ...race.tactics.map(([index, sparse, time, line]) => make("tr", {}, make("td", {}, make("span", { class: "mark mark-" + (sparse === null ? "undetermined" : sparse ? "sparse" : "dense"), "aria-hidden": "true" }),
          make("code", {}, (sparse === null ? "" : sparse ? "sparse " : "dense ") + (app.data.pool[index][0] || "(no name)"))), make("td", {}, make("code", {}, app.data.pool[index][1])), make("td", { class: "number" }, ms(time)), make("td", { class: "number" }, line ? String(line) : "")))));
      const omitted = race.omitted ? `, ${race.omitted} slower not shown (see the tables)` : "";
      return make("div", {}, make("div", {}, make("code", {}, race.combination), race.runs ? " (runs in the engine)" : ""), plot,
        make("details", {}, make("summary", {}, `${race.tactics.length} ${race.tactics.length === 1 ? "tactic" : "tactics"}${omitted}`), table));
    });
  }
  function samples(values) {
    const low = Math.min(...values), high = Math.max(...values), width = 400;
    const plot = svg("svg", { class: "race", viewBox: `0 0 ${width} 60`, role: "img", "aria-label": `samples from ${ms(low)} to ${ms(high)} milliseconds` },
      ...values.map((value, index) => svg("circle", { class: "dot-sparse", cx: (4 + (index / Math.max(values.length - 1, 1)) * (width - 8)).toFixed(1), cy: (44 - (high > low ? (value - low) / (high - low) : 0.5) * 38).toFixed(1), r: 1.8 })));
    const text = svg("text", { x: 4, y: 58 });
    text.textContent = `${ms(low)} to ${ms(high)} ms`;
    plot.append(text);
    return plot;
  }

  // --- the page ------------------------------------------------------------------------------------------------------------------
  function select(field, label, names) {
    const values = [...new Set(app.layers.map((layer) => (field === "capture" ? String(layer.capture || 0) : layer[field] || "")))].filter((value) => value !== "").sort();
    if (values.length < 2) return null;
    return make("select", { "data-field": field, "aria-label": label, onchange: (event) => change({ [field]: event.target.value }) },
      make("option", { value: "" }, label), ...values.map((value) => make("option", { value }, shorten(names ? names[value] : value, 40))));
  }
  function buildPage() {
    const counts = Object.fromEntries(STATUSES.map((status) => [status, app.layers.filter((layer) => layer.status === status).length]));
    const chip = (status, label, number) => make("button", { type: "button", class: "chip", "data-status": status, "aria-pressed": "false", onclick: () => change({ status, reason: "" }) },
      status ? make("span", { class: "mark mark-" + status, "aria-hidden": "true" }) : null, `${label} ${number.toLocaleString("en")}`);
    const search = make("input", { id: "search", type: "search", placeholder: "Search name, ONNX node, kernel", "aria-label": "Search layers", autocomplete: "off", spellcheck: "false", oninput: (event) => change({ q: event.target.value.trim() }) });
    const head = COLUMNS.map(([key, label]) => make("div", { id: "head-" + key, role: "columnheader", class: `c-${key}${NUMERIC.has(key) ? " number" : ""}`, title: TITLES[key] },
      make("button", { type: "button", onclick: () => change({ sort: key, dir: state.sort === key ? (state.dir === "asc" ? "desc" : "asc") : NUMERIC.has(key) ? "desc" : "asc" }) }, label)));
    const rows = make("div", { id: "rows", role: "none", onclick: (event) => {
      const node = event.target.closest(".row");
      if (node && !String(getSelection())) toggle(node);
    } });
    const more = make("button", { type: "button", id: "more", onclick: () => renderChunk() }, "Show more");
    byId("explorer").append(
      make("div", { class: "controls", role: "search" },
        make("div", { class: "chips", role: "group", "aria-label": "Status" }, chip("", "all", app.layers.length), ...STATUSES.filter((status) => counts[status]).map((status) => chip(status, STATUS_WORDS[status], counts[status]))),
        search, select("reason", "any reason"), select("proof", "any proof"), select("type", "any type"), select("precision", "any precision"), select("capture", "all captures", app.data.captures),
        make("span", { id: "found", role: "status" }),
        make("span", { class: "hint" }, make("kbd", {}, "/"), " search ", make("kbd", {}, "j"), " ", make("kbd", {}, "k"), " move ", make("kbd", {}, "Enter"), " open ", make("kbd", {}, "Esc"), " close")),
      make("div", { id: "grid", role: "table", "aria-labelledby": "layers-title" }, make("div", { role: "rowgroup" }, make("div", { class: "head", role: "row" }, ...head)), rows),
      make("p", { id: "empty", class: "empty", hidden: true }, "No layer matches. ", make("button", { type: "button", onclick: () => change({ ...app.defaults, status: "" }) }, "Show all layers")),
      more);
    new IntersectionObserver((entries) => { if (entries.some((entry) => entry.isIntersecting) && !more.hidden) renderChunk(); }, { rootMargin: "600px" }).observe(more);
    byId("static-layers").hidden = true;
    byId("explorer").hidden = false;
  }
  function keys(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.key === "Escape") {
      const open = event.target.closest?.(".row[data-open]") || event.target.closest?.(".detail")?.previousElementSibling || [...document.querySelectorAll(".row[data-open]")].pop();
      if (typing && event.target.id === "search" && state.q) change({ q: "" });
      else if (typing) event.target.blur();
      else if (open) { toggle(open, false); open.querySelector(".open").focus(); }
      return;
    }
    if (typing) return;
    if (event.key === "/") { event.preventDefault(); byId("search").focus(); byId("search").select(); }
    if (event.key === "j" || event.key === "k") {
      event.preventDefault();
      const current = document.activeElement?.closest?.(".row");
      const index = current ? Number(current.dataset.index) + (event.key === "j" ? 1 : -1) : 0;
      if (index < 0 || index >= app.shown.length) return;
      if (index >= app.rendered) renderChunk();
      const target = byId("rows").querySelector(`.row[data-index="${index}"] .open`);
      target.focus();
      target.scrollIntoView({ block: "nearest" });
    }
  }
  async function start() {
    const source = byId("data");
    app.data = JSON.parse(source.dataset.encoding === "gzip" ? await unpack(source.textContent) : source.textContent);
    app.layers = app.data.layers;
    for (const layer of app.layers) layer.status ??= "other";
    if (app.layers.length) explore();
    document.documentElement.dataset.ready = "";
  }
  function explore() {
    app.defaults = { ...state, status: app.layers.some((layer) => layer.status === "dense") ? "dense" : "" };
    buildPage();
    readAddress();
    update();
    addEventListener("hashchange", () => {
      if (location.hash === address() || ["#layers", "#pictures", ""].includes(location.hash)) return;
      readAddress();
      if (state.layer) go(state.layer); else { update(); byId("layers").scrollIntoView(); }
    });
    document.addEventListener("keydown", keys);
  }
  return { app, make, ms, shorten, unpack, byId, go, start, STATUSES };
})();
trtlens.start();
