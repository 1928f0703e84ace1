"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const plots = [...document.querySelectorAll("[data-plot]")];
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const themes = {
    light: { ink: "#3b3842", card: "#ffffff", grid: "rgba(120, 115, 130, 0.22)" },
    dark: { ink: "#cfcad9", card: "#2a2833", grid: "rgba(170, 165, 185, 0.20)" },
  };
  const TOOL = "#8b8794";
  const NARROW = 620;
  const WIDE = 1060;
  const PRINTED = 680;
  const TALLEST = 810; // a page holds it with its title and caption
  const config = {
    displayModeBar: "hover",
    displaylogo: false,
    modeBarButtons: [["zoom2d", "pan2d", "resetScale2d", "toImage"]],
    plotlyServerURL: "", // nothing leaves this page
  };
  const still = { ...config, displayModeBar: false };

  // One level deeper than Object.assign: {xaxis: {domain}} changes the domain and keeps the rest of the axis.
  function merged(layout, changes) {
    const result = { ...layout };
    for (const [key, change] of Object.entries(changes)) {
      const nested = change !== null && typeof change === "object" && !Array.isArray(change);
      result[key] = nested ? { ...result[key], ...change } : change;
    }
    return result;
  }

  function themed(layout, theme) {
    const changes = {
      font: { color: theme.ink },
      hoverlabel: { bgcolor: theme.card, bordercolor: theme.grid, font: { color: theme.ink } },
      modebar: { bgcolor: "rgba(0, 0, 0, 0)", color: TOOL, activecolor: theme.ink },
      uirevision: "kept", // legend toggles and zoom survive a redraw
    };
    for (const name of Object.keys(layout).filter((key) => /^[xy]axis/.test(key))) {
      changes[name] = { gridcolor: theme.grid, linecolor: theme.grid };
    }
    return merged(layout, changes);
  }

  function draw(div, printing) {
    const { data, layout } = figures[div.dataset.plot];
    const theme = dark.matches && !printing ? themes.dark : themes.light;
    const width = printing ? PRINTED : div.clientWidth;
    const narrow = width < NARROW;
    const picture = data.every((trace) => trace.type === "heatmap");
    const fitted = merged(layout, narrow ? layout.meta.narrow : layout.meta.wide);
    if (printing) {
      fitted.height = Math.min(0.82 * fitted.height + 30, TALLEST); // the legend takes another line on paper
      fitted.margin = { ...layout.margin, ...fitted.margin };
      fitted.margin.t += 30;
    } else if (picture && !narrow && !layout.meta.square) fitted.height *= Math.min(1, width / WIDE); // square pixels fill the height
    return Plotly.react(div, data, { ...themed(fitted, theme), width }, picture || narrow ? still : config).then(() => addKeys(div));
  }

  // The legend for the keyboard: a button per name, seen while one of them has the focus.
  function addKeys(div) {
    if (div.nextElementSibling?.className === "keys") return;
    const groups = new Map();
    figures[div.dataset.plot].data.forEach((trace, i) => {
      const group = trace.legendgroup || trace.name;
      if (!group || (trace.showlegend === false && !groups.has(group))) return;
      groups.set(group, { name: trace.name || group, traces: [...(groups.get(group)?.traces || []), i] });
    });
    if (groups.size < 2) return;
    const keys = document.createElement("div");
    keys.className = "keys";
    keys.setAttribute("role", "group");
    keys.setAttribute("aria-label", "Legend: show or hide");
    for (const { name, traces } of groups.values()) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = name;
      button.setAttribute("aria-pressed", "true");
      button.addEventListener("click", () => {
        const shown = button.getAttribute("aria-pressed") === "true";
        button.setAttribute("aria-pressed", String(!shown));
        Plotly.restyle(div, { visible: shown ? "legendonly" : true }, traces);
      });
      keys.append(button);
    }
    div.after(keys);
  }

  // A folded picture has no width: it is drawn when it is opened.
  function drawAll(printing) {
    return Promise.all(plots.filter((div) => div.clientWidth > 0).map((div) => draw(div, printing)));
  }

  function listen() {
    let waiting = 0;
    let width = document.body.clientWidth;
    addEventListener("resize", () => {
      if (document.body.clientWidth === width) return; // a phone's address bar came or went
      width = document.body.clientWidth;
      cancelAnimationFrame(waiting);
      waiting = requestAnimationFrame(() => drawAll(false));
    });
    dark.addEventListener("change", () => drawAll(false));
    for (const part of document.querySelectorAll("details"))
      part.addEventListener("toggle", () => {
        if (part.open) part.querySelectorAll("[data-plot]").forEach((div) => draw(div, false));
      });
    addEventListener("beforeprint", () => {
      document.querySelectorAll("details:not(.folded)").forEach((part) => (part.open = true));
      drawAll(true);
    });
    addEventListener("afterprint", () => drawAll(false));
  }
  // plotly.js is in the page gzipped: it is unpacked here, and runs as any other inline script.
  async function load() {
    const raw = atob(document.getElementById("plotly").textContent);
    const packed = new Blob([Uint8Array.from(raw, (character) => character.charCodeAt(0))]);
    const unpacked = packed.stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(unpacked).text();
    document.head.append(script);
  }

  load().then(listen).then(() => drawAll(false)).then(() => (document.documentElement.dataset.drawn = plots.length), () => {
    for (const div of plots) div.textContent = "This browser cannot unpack the picture. One of 2023 or later does.";
  });
})();
