// The pictures: plotly.js is unpacked when they are first opened. In: trtlens.app.layers. The policy allows plotly.js by its hash.
(() => {
  const { app, make, ms, shorten, unpack, byId, go, STATUSES } = trtlens;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  const COLOURS = { sparse: "sparse", dense: "dense", "dense-unknown": "maybe", undetermined: "none", ineligible: "soft", other: "line" };
  const PATTERNS = { sparse: "", dense: "", "dense-unknown": "/", undetermined: ".", ineligible: "x", other: "" };
  const SYMBOLS = { sparse: "circle", dense: "diamond-open", "dense-unknown": "diamond-open-dot", undetermined: "square-open", ineligible: "circle-open", other: "line-ew-open" };
  const LEGEND = { orientation: "h", yanchor: "bottom", y: 1.01, font: { size: 11 }, entrywidth: 0 };
  // plotly.js reads a few HTML tags in texts: names must not be read so.
  const plain = (text, limit = 60) => shorten(text || "(no name)", limit).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const hover = (layer) => `${plain(layer.name, 80)}<br>${ms(layer.time)} ms, ${layer.status}${layer.reason ? ", " + plain(layer.reason) : ""}`;

  function layout(changes) {
    const axis = { gridcolor: colour("line"), zerolinecolor: colour("line"), linecolor: colour("line"), automargin: true };
    return { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: colour("text"), size: 12, family: "system-ui, sans-serif" },
      margin: { l: 50, r: 12, t: 8, b: 40 }, showlegend: false, hoverlabel: { align: "left" }, dragmode: false, ...changes,
      xaxis: { ...axis, ...(changes.xaxis || {}) }, yaxis: { ...axis, ...(changes.yaxis || {}) } };
  }
  function figure(caption, note, traces, changes, wide) {
    const plot = make("div", { class: "plot", role: "img", "aria-label": `${caption}. ${note}` });
    byId("figures").append(make("figure", { class: wide ? "wide" : null }, make("figcaption", {}, caption), make("div", { class: "notes" }, note), plot));
    return Plotly.newPlot(plot, traces, layout(changes), { displayModeBar: false, responsive: true, displaylogo: false }).then(() => {
      plot.on("plotly_click", (event) => { const name = event.points[0]?.customdata; if (typeof name === "string") go(name); });
    });
  }

  function byStatusAndReason() {
    const groups = new Map();
    for (const layer of app.layers) {
      if (layer.time === undefined) continue;
      const key = layer.status + "\n" + (layer.reason || "");
      const group = groups.get(key) || { status: layer.status, reason: layer.reason || "", time: 0, layers: 0 };
      group.time += layer.time;
      group.layers += 1;
      groups.set(key, group);
    }
    // The figures stand behind their bars: the longest bar leaves room for them, more of it on a phone.
    const phone = innerWidth < 700;
    const rows = [...groups.values()].sort((a, b) => STATUSES.indexOf(b.status) - STATUSES.indexOf(a.status) || a.time - b.time);
    return figure("Time by status and reason", "Milliseconds of all layers whose time is known.", [{
      type: "bar", orientation: "h", x: rows.map((row) => row.time), y: rows.map((row) => (row.reason ? `${row.status}: ${plain(row.reason)}` : row.status)),
      marker: { color: rows.map((row) => colour(COLOURS[row.status])), pattern: { shape: rows.map((row) => PATTERNS[row.status]), fgcolor: colour("ground"), size: 5 } },
      text: rows.map((row) => `${ms(row.time)} ms${phone ? "" : `, ${row.layers} ${row.layers === 1 ? "layer" : "layers"}`}`), textposition: "outside", hoverinfo: "none",
    }], { xaxis: { title: { text: "ms" }, range: [0, Math.max(...rows.map((row) => row.time)) * (phone ? 2.4 : 1.5)], nticks: phone ? 4 : 6 }, yaxis: { ticksuffix: " " } });
  }
  function pareto() {
    const timed = app.layers.filter((layer) => layer.time !== undefined).sort((a, b) => b.time - a.time);
    const total = timed.reduce((sum, layer) => sum + layer.time, 0);
    let sum = 0;
    const share = timed.map((layer) => (100 * (sum += layer.time)) / total);
    const half = share.findIndex((value) => value >= 50) + 1;
    const top = timed.slice(0, 400);
    const concerned = new Set(["sparse", "dense", "dense-unknown", "undetermined"]);
    const traces = [...concerned, "other"].map((status) => {
      const picked = top.map((layer, index) => [layer, index + 1]).filter(([layer]) => (concerned.has(layer.status) ? layer.status : "other") === status);
      return { type: "bar", name: status === "other" ? "ineligible or other" : status, x: picked.map(([, index]) => index), y: picked.map(([layer]) => layer.time), customdata: picked.map(([layer]) => layer.name),
        text: picked.map(([layer]) => hover(layer)), hovertemplate: "%{text}<extra></extra>", textposition: "none",
        marker: { color: colour(COLOURS[status]), line: { width: 0 }, pattern: { shape: top.length <= 60 ? PATTERNS[status] : "", fgcolor: colour("ground"), size: 4 } }, width: top.length > 100 ? 1 : 0.85 };
    }).filter((trace) => trace.x.length);
    traces.push({ type: "scatter", mode: "lines", showlegend: false, x: top.map((_, index) => index + 1), y: share.slice(0, top.length), yaxis: "y2", line: { color: colour("text"), width: 1.2 }, hoverinfo: "skip" });
    return figure("Where the milliseconds are", `${half === 1 ? "1 layer takes" : half + " layers take"} half of the time. Bars: layers, costliest first; line: their running share.`, traces, {
      barmode: "overlay", showlegend: true, legend: LEGEND, margin: { l: 56, r: 48, t: 44, b: 40 },
      xaxis: { title: { text: "layers, costliest first" } }, yaxis: { title: { text: "ms", standoff: 8 }, rangemode: "tozero" },
      yaxis2: { overlaying: "y", side: "right", range: [0, 105], dtick: 25, ticksuffix: " %", showgrid: false, color: colour("soft") },
    });
  }
  // plotly.js writes "2" and "5" between the powers of ten: nobody reads 0.02 and 0.05 in them.
  function logAxis(low, high, title) {
    const values = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
      for (const first of [1, 2, 5]) values.push(Number(`${first}e${power}`));
    }
    const inside = values.filter((value) => value >= low && value <= high);
    const shown = inside.length > 8 ? inside.filter((value) => /^1e/.test(value.toExponential(0))) : inside;
    return { type: "log", tickvals: shown, ticktext: shown.map(String), title, range: [Math.log10(low), Math.log10(high)] };
  }
  function denseAgainstSparse() {
    const raced = app.layers.filter((layer) => layer.dense > 0 && layer.sparse > 0);
    if (!raced.length) return null;
    const values = raced.flatMap((layer) => [layer.dense, layer.sparse]);
    const low = Math.min(...values) * 0.8, high = Math.max(...values) * 1.25;
    const [ratio, floor] = app.data.noise;
    const steps = Array.from({ length: 60 }, (_, index) => low * (high / low) ** (index / 59));
    const band = (value) => Math.max(ratio * value, floor);
    const traces = [
      { type: "scatter", mode: "lines", x: [...steps, ...steps.slice().reverse()], y: [...steps.map((value) => value + band(value)), ...steps.slice().reverse().map((value) => Math.max(value - band(value), value * 0.05))],
        fill: "toself", fillcolor: colour("line"), opacity: 0.6, line: { width: 0 }, hoverinfo: "skip", name: "noise" },
      { type: "scatter", mode: "lines", x: [low, high], y: [low, high], line: { color: colour("soft"), width: 1, dash: "dash" }, hoverinfo: "skip", name: "equal" },
      ...STATUSES.map((status) => {
        const picked = raced.filter((layer) => layer.status === status);
        return { type: "scatter", mode: "markers", name: status, x: picked.map((layer) => layer.dense), y: picked.map((layer) => layer.sparse), customdata: picked.map((layer) => layer.name),
          text: picked.map((layer) => `${hover(layer)}<br>dense ${ms(layer.dense)} ms, sparse ${ms(layer.sparse)} ms`), hovertemplate: "%{text}<extra></extra>",
          marker: { color: colour(COLOURS[status]), symbol: SYMBOLS[status], size: raced.length > 500 ? 5 : 8, line: { width: 1.4, color: colour(COLOURS[status]) } } };
      }).filter((trace) => trace.x.length),
    ];
    const below = raced.filter((layer) => layer.sparse < layer.dense - band(layer.dense)).length;
    return figure("Best dense against best sparse", `${raced.length} raced ${raced.length === 1 ? "layer" : "layers"}; below the dashed line sparse was faster (${below} beyond the grey noise band, which is the larger of ${ratio * 100} % and ${floor * 1000} µs).`, traces, {
      showlegend: true, legend: LEGEND, margin: { l: 64, r: 12, t: 44, b: 44 },
      xaxis: logAxis(low, high, { text: "best dense, ms" }), yaxis: logAxis(low, high, { text: "best sparse, ms", standoff: 10 }),
    });
  }
  function ceilings() {
    const known = app.layers.filter((layer) => layer.ceiling?.[1] && layer.dense && layer.sparse);
    if (!known.length) return null;
    const high = Math.max(...known.map((layer) => Math.max(layer.ceiling[1], layer.dense / layer.sparse))) * 1.05;
    return figure("Predicted ceiling against measured", "Speed-up of sparse over dense: no layer should lie above the dashed line.", [
      { type: "scatter", mode: "lines", x: [0, high], y: [0, high], line: { color: colour("soft"), width: 1, dash: "dash" }, hoverinfo: "skip" },
      { type: "scatter", mode: "markers", x: known.map((layer) => layer.ceiling[1]), y: known.map((layer) => layer.dense / layer.sparse), customdata: known.map((layer) => layer.name), text: known.map(hover),
        hovertemplate: "%{text}<extra></extra>", marker: { color: known.map((layer) => colour(COLOURS[layer.status])), symbol: known.map((layer) => SYMBOLS[layer.status]), size: 8 } },
    ], { xaxis: { title: { text: "ceiling (bound), times as fast" } }, yaxis: { title: { text: "measured, times as fast" } } });
  }
  function formatMap() {
    const known = app.layers.map((layer, index) => [layer, index]).filter(([layer]) => layer.precision && !layer.capture);
    if (!known.length) return null;
    const traces = STATUSES.map((status) => {
      const picked = known.filter(([layer]) => layer.status === status);
      return { type: "scatter", mode: "markers", name: status, x: picked.map(([, index]) => index), y: picked.map(([layer]) => layer.precision), customdata: picked.map(([layer]) => layer.name),
        text: picked.map(([layer]) => `${hover(layer)}<br>in ${plain((layer.inputs || []).join("; "))}<br>out ${plain((layer.outputs || []).join("; "))}`), hovertemplate: "%{text}<extra></extra>",
        marker: { color: colour(COLOURS[status]), symbol: "line-ns-open", size: 16, line: { width: known.length > 400 ? 1 : 3 } } };
    }).filter((trace) => trace.x.length);
    return figure("Formats along the engine", "Each tick is a layer, in the engine's order, by its type in and out.", traces, {
      showlegend: true, legend: LEGEND, margin: { l: 70, r: 12, t: 44, b: 40 }, xaxis: { title: { text: "layer in the engine" } }, yaxis: { type: "category", ticksuffix: " " },
    }, app.layers.some((layer) => layer.ceiling));
  }
  async function draw() {
    byId("figures").replaceChildren();
    for (const picture of [byStatusAndReason, pareto, denseAgainstSparse, ceilings, formatMap]) await picture();
    byId("pictures").dataset.ready = "";
  }
  // plotly.js brings style sheets for maps, which the policy would refuse with an error on the console: it gets inert elements instead.
  function withoutStyles(run) {
    const native = document.createElement;
    document.createElement = (tag, options) => native.call(document, tag === "style" ? "template" : tag, options);
    try { run(); } finally { delete document.createElement; }
  }
  async function load() {
    if (!self.Plotly) {
      byId("figures").textContent = "Unpacking plotly.js …";
      const script = document.createElement("script");
      script.textContent = await unpack(byId("plotly-gzip").textContent);
      withoutStyles(() => document.head.append(script));
    }
    if (!self.Plotly) { byId("figures").textContent = "This browser did not run plotly.js; every figure is in the table above."; return; }
    await draw();
    dark.addEventListener("change", draw);
  }
  const box = byId("pictures");
  box.hidden = false;
  box.addEventListener("toggle", () => { if (box.open && !self.Plotly) load(); });
})();
