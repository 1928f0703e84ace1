"use strict";
// The page around the model: one example, what is changed about it, and what the model makes of that.
(() => {
  const data = JSON.parse(document.getElementById("exploration").textContent);
  if (parent !== window) document.documentElement.dataset.framed = "yes"; // the page around it says the rest
  const $ = (id) => document.getElementById(id);
  const { features: width, units, image, columns, axis, fixed } = data;
  const flat = Model.numbers(data.rows, data.bytes);
  const rows = Array.from({ length: data.numbers.length }, (_, i) => flat.subarray(i * width, (i + 1) * width));
  const table = (text, columns) => {
    const all = Model.numbers(text);
    return Array.from({ length: all.length / columns }, (_, i) => all.subarray(i * columns, (i + 1) * columns));
  };
  const model = data.model ? Model.make(data.model, data.weights) : null;
  const stored = fixed && { codes: table(fixed.codes, units), rebuilt: table(fixed.reconstructions, width), walks: table(fixed.walks, width) };
  const encode = (x) => model.encoder.apply(x), decode = (z) => model.decoder.apply(z);
  const squared = (a, b) => a.reduce((sum, each, i) => sum + (each - b[i]) ** 2, 0);
  const codes = model ? rows.map(encode) : stored.codes;
  const errors = model ? rows.map((x, i) => squared(decode(codes[i]), x)) : fixed.errors;
  const middle = mean(rows);
  const NEIGHBOURS = 5, NEAR = 20, LEADING = 3, LEAST = 2, REACH = 3;
  function round(value, digits = 3) {
    const size = Math.abs(value);
    if (!size || (size >= 1e-4 && size < 1e6)) return String(Number(value.toPrecision(digits))).replace("-", "−");
    const [mantissa, exponent] = value.toExponential(digits - 1).replace("e+", "e").split("e");
    return `${mantissa.replace("-", "−")}·10${[...exponent].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit] || "⁻").join("")}`;
  }
  const name = (i) => `${data.row} ${data.numbers[i]}` + (data.labels.length ? `, class ${data.labels[i]}` : "");

  // ----- the state: an example, and either an input or a code that was moved away from it
  let at = 0; // which example
  let edited = null; // its input with edited values
  let directions = []; // {value, vector, spread}
  let moved = { x: null, z: null, y: null, byCode: false, error: 0 };
  let chosenFeature = 0;

  function mean(vectors) {
    const sum = new Float64Array(vectors[0].length);
    for (const vector of vectors) for (let i = 0; i < sum.length; i++) sum[i] += vector[i] / vectors.length;
    return sum;
  }

  // ----- numbers in the units of the data
  const raw = (value, i) => value * data.scale[data.scale.length > 1 ? i : 0] + data.offset[data.offset.length > 1 ? i : 0];
  const prepared = (value, i) => (value - data.offset[data.offset.length > 1 ? i : 0]) / data.scale[data.scale.length > 1 ? i : 0];
  function shown(column, x) {
    if (column.kind === "category") {
      const values = Array.from(x.subarray(column.at, column.at + column.num));
      return column.categories[values.indexOf(Math.max(...values))];
    }
    const value = raw(x[column.at], column.at);
    if (column.kind === "boolean") return value >= 0.5 ? "yes" : "no";
    if (isTime(column)) return new Date(Math.round(value * 864e5)).toISOString().slice(0, column.days ? 10 : 16);
    return round(value, 4);
  }

  // ----- drawing
  function element(tag, properties = {}, ...children) {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  }
  const low = image ? Math.min(0, ...rows.map((x) => x.reduce((a, b) => Math.min(a, b)))) : 0;
  const high = image ? Math.max(...rows.map((x) => x.reduce((a, b) => Math.max(a, b)))) : 1;
  function paint(canvas, x) {
    const [channels, height, wide] = image;
    if (canvas.width !== wide) [canvas.width, canvas.height] = [wide, height];
    const context = canvas.getContext("2d"), pixels = context.createImageData(wide, height), plane = height * wide;
    for (let i = 0; i < plane; i++) {
      for (let c = 0; c < 3; c++) {
        const value = x[(channels === 3 ? c : 0) * plane + i];
        pixels.data[4 * i + c] = (255 * (value - low)) / (high - low || 1);
      }
      pixels.data[4 * i + 3] = 255;
    }
    context.putImageData(pixels, 0, 0);
  }
  const SVG = "http://www.w3.org/2000/svg";
  const bounds = image || !axis ? null : rows.reduce(
    ([a, b], x) => x.reduce(([l, h], value, i) => [Math.min(l, raw(value, i)), Math.max(h, raw(value, i))], [a, b]), [Infinity, -Infinity]);
  const along = (value) => 46 + (544 * (value - axis[0])) / (axis.at(-1) - axis[0]), across = (i) => along(axis[i]);
  const up = (value) => 178 - (164 * (value - bounds[0])) / (bounds[1] - bounds[0] || 1);
  const path = (x) => Array.from(x, (value, i) => `${i ? "L" : "M"}${across(i).toFixed(1)},${up(raw(value, i)).toFixed(1)}`).join("");
  function frame() {
    const svg = $("spectrum");
    const label = (x, y, text, anchor) => {
      const made = document.createElementNS(SVG, "text");
      made.setAttribute("x", x); made.setAttribute("y", y); made.setAttribute("text-anchor", anchor);
      made.textContent = text;
      svg.append(made);
    };
    const [first, last] = [axis[0], axis.at(-1)].sort((a, b) => a - b), power = 10 ** Math.floor(Math.log10(last - first));
    const step = power * [0.2, 0.5, 1, 2].find((each) => (last - first) / (each * power) < 6); // 3 to 5 steps
    for (let value = Math.ceil(first / step) * step; value <= last; value += step)
      label(along(value), 194, round(value, 5), along(value) < 60 ? "start" : along(value) > 575 ? "end" : "middle");
    for (const value of bounds) label(42, up(value) + 4, round(value), "end");
  }
  const cells = [];
  const listed = { category: (column) => column.categories, boolean: () => ["no", "yes"] };
  const isTime = (column) => column.kind === "date";
  function buildTable() {
    for (const column of columns) {
      const options = listed[column.kind]?.(column);
      const type = isTime(column) ? (column.days ? "date" : "datetime-local") : "number";
      const given = options
        ? element("select", {}, ...options.map((each) => element("option", { textContent: each })))
        : element("input", { type, step: "any" });
      given.disabled = !model;
      given.setAttribute("aria-label", `${column.name}, input`);
      given.addEventListener("change", () => editColumn(column, given));
      const parts = [element("td", {}, given), element("td"), element("td")];
      $("values").append(element("tr", {}, element("th", { scope: "row", textContent: column.name }), ...parts));
      cells.push({ column, given, rebuilt: parts[1], off: parts[2] });
    }
  }
  function editColumn(column, given) {
    const value = given.selectedIndex ?? given.valueAsNumber / (isTime(column) ? 864e5 : 1);
    if (column.kind === "category")
      edit(Object.fromEntries(column.categories.map((_, i) => [column.at + i, prepared(i === value ? 1 : 0, column.at + i)])));
    else if (Number.isFinite(value)) edit({ [column.at]: prepared(value, column.at) });
  }
  function drawRow() {
    const { x, y } = moved;
    if (image) {
      paint($("input"), x);
      paint($("output"), y);
    } else if (axis) {
      $("line-input").setAttribute("d", path(x));
      $("line-output").setAttribute("d", path(y));
      const i = chosenFeature;
      $("mark").setAttribute("x1", across(i)); $("mark").setAttribute("x2", across(i));
    } else {
      for (const { column, given, rebuilt, off } of cells) {
        if (document.activeElement !== given) {
          given.value = column.kind === "number" ? Number(raw(x[column.at], column.at).toPrecision(5)) : shown(column, x);
        }
        rebuilt.textContent = shown(column, y);
        off.textContent = column.kind === "number"
          ? round(raw(y[column.at], column.at) - raw(x[column.at], column.at), 2)
          : shown(column, x) === shown(column, y) ? "same" : "differs";
      }
    }
  }

  // ----- the map of codes
  const PALETTE = ["#d1570a", "#3572b0", "#2f8f63", "#9a4fb8", "#b08a00", "#c2407a", "#4a9aa8", "#7a5c3a", "#6f7bd0", "#7b7786"];
  const classes = [...new Set(data.labels)].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  const colours = classes.length <= PALETTE.length ? data.labels.map((each) => PALETTE[classes.indexOf(each)]) : [];
  const place = (z) => data.projection.axes.map((each) => each.reduce((sum, by, i) => sum + by * (z[i] - data.projection.mean[i]), 0));
  const places = codes.map(place);
  const span = [0, 1].map((k) => [Math.min(...places.map((p) => p[k])), Math.max(...places.map((p) => p[k]))]);
  const MAP = 320, EDGE = 14;
  const onMap = (p) => p.map((value, k) => {
    const share = (value - span[k][0]) / (span[k][1] - span[k][0] || 1);
    return EDGE + (MAP - 2 * EDGE) * Math.min(1.03, Math.max(-0.03, k ? 1 - share : share));
  });
  function drawMap() {
    const canvas = $("map"), context = canvas.getContext("2d"), sharp = 2, style = getComputedStyle(document.body);
    if (canvas.width !== sharp * MAP) canvas.width = canvas.height = sharp * MAP;
    context.setTransform(sharp, 0, 0, sharp, 0, 0);
    context.clearRect(0, 0, MAP, MAP);
    places.forEach((p, i) => {
      const [x, y] = onMap(p);
      context.beginPath();
      context.arc(x, y, 3.2, 0, 7);
      context.fillStyle = colours[i] || "#8b8794";
      context.globalAlpha = 0.75;
      context.fill();
    });
    context.globalAlpha = 1;
    const [from, to] = [onMap(places[at]), onMap(place(moved.z))];
    context.strokeStyle = context.fillStyle = style.color;
    context.lineWidth = 2;
    context.beginPath(); context.moveTo(...from); context.lineTo(...to); context.stroke();
    context.beginPath(); context.arc(...from, 5, 0, 7); context.stroke();
    context.beginPath(); context.arc(...to, 6, 0, 7); context.fill();
  }

  // ----- what follows from the state
  let waiting = 0;
  function changed() {
    if (!waiting) waiting = requestAnimationFrame(() => { waiting = 0; draw(); });
  }
  function draw() {
    drawRow();
    drawMap();
    unitSliders.forEach((slider, unit) => {
      if (document.activeElement !== slider) slider.value = moved.z[unit];
      tell(slider, round(moved.z[unit], 2));
    });
    say();
    clearTimeout(speaking);
    speaking = setTimeout(speak, 700);
  }
  // What a screen reader says when the hand rests: the picture in words.
  let speaking = 0;
  function speak() {
    const near = nearest(moved.z, 1).map(([other]) => ` The other example nearest in the code: ${name(other)}.`);
    $("spoken").textContent = `${name(at)}. Reconstruction error ${round(moved.error)}. ${$("verdict").textContent}${near}`;
  }
  function say() {
    const away = moved.error > data.limit;
    $("error").textContent = round(moved.error);
    $("error-of").textContent = moved.byCode
      ? "of the decoded row, when it is encoded and decoded again" : "of this input, squared, summed over features";
    document.body.classList.toggle("away", away);
    const text = away
      ? `Outside the data: the error is above ${round(data.limit)}, which 99\u00a0% of ${data.limit_of} stay below. Do not trust what is shown.`
      : `Within the data: 99\u00a0% of ${data.limit_of} have an error below ${round(data.limit)}.`;
    if ($("verdict").textContent !== text) $("verdict").textContent = text;
    const [input, output] = [`Input: ${name(at)}`, `Reconstruction, squared error ${round(moved.error)}`];
    for (const [id, text] of image ? [["input", input], ["output", output]] : axis ? [["spectrum", `${input}, dashed. ${output}, solid.`]] : [])
      $(id).setAttribute("aria-label", text);
  }
  function fromInput(x) {
    const z = encode(x), y = decode(z);
    moved = { x, z, y, byCode: false, error: squared(y, x) };
    changed();
  }
  function fromCode(z) {
    const y = decode(z);
    moved = { x: edited, z, y, byCode: true, error: squared(decode(encode(y)), y) };
    changed();
  }
  function edit(values) {
    edited = Float64Array.from(edited);
    for (const [feature, value] of Object.entries(values)) edited[feature] = value;
    resetSliders();
    fromInput(edited);
    laterDirections();
  }

  // ----- sliders
  const directionSliders = [], unitSliders = [];
  function tell(input, text) { // beside the slider, and as its value for a screen reader
    input.nextElementSibling.textContent = text;
    input.setAttribute("aria-valuetext", text || "not moved");
  }
  const slider = (label, min, max, step, value, react) => {
    const input = element("input", { type: "range", min, max, step, value });
    input.setAttribute("aria-label", label);
    const output = element("output", { ariaLive: "off" }); // the slider itself says its value
    input.addEventListener("input", () => react(input, output));
    return [input, element("label", {}, element("span", { textContent: label }), input, output)];
  };
  function buildDirections() {
    for (let i = 0; i < LEADING + (model ? LEAST : 0); i++) {
      const label = i < LEADING ? `most sensitive ${i + 1}` : `least sensitive ${i - LEADING + 1}`;
      const reach = fixed ? Math.max(...fixed.steps) : REACH;
      const [input, line] = slider(label, -reach, reach, fixed ? 1 : 0.02, 0, moveAlong);
      line.hidden = true;
      directionSliders.push(input);
      $("directions").append(line);
    }
  }
  function moveAlong(input) {
    if (fixed) {
      const by = Number(input.value), step = fixed.steps.indexOf(by);
      resetDirections();
      input.value = by;
      tell(input, `${round(by, 2)} sd`);
      const direction = directionSliders.indexOf(input);
      moved = { ...moved, y: step < 0 ? stored.rebuilt[at] : stored.walks[(at * fixed.directions + direction) * fixed.steps.length + step] };
      return changed();
    }
    const x = Float64Array.from(edited);
    directions.forEach(({ vector, spread }, i) => {
      const by = directionSliders[i].value * spread;
      tell(directionSliders[i], `${round(Number(directionSliders[i].value), 2)} sd`);
      if (by) for (let k = 0; k < width; k++) x[k] += by * vector[k];
    });
    resetShare();
    fromInput(x);
  }
  function buildUnits() {
    for (let unit = 0; unit < Math.min(units, 256); unit++) {
      const values = codes.map((z) => z[unit]), [a, b] = [Math.min(...values), Math.max(...values)];
      const room = 0.25 * (b - a) || 0.5;
      const [input, line] = slider(`${unit}`, a - room, b + room, (b - a + 2 * room) / 400, a, () => {
        const z = Float64Array.from(moved.z);
        z[unit] = input.value;
        resetDirections();
        fromCode(z);
      });
      input.setAttribute("aria-label", `code unit ${unit}`);
      input.disabled = !model;
      unitSliders.push(input);
      $("units").append(line);
    }
  }
  function interpolated(share) { $("share").value = share; tell($("share"), `${Math.round(100 * share)} %`); }
  function resetShare() { if ($("share")) interpolated(0); }
  function resetDirections() { for (const each of directionSliders) { each.value = 0; tell(each, ""); } }
  function resetSliders() { resetDirections(); resetShare(); }
  function nearest(z, count, to = codes) {
    const distance = to.map((other) => Math.sqrt(squared(other, z)));
    return [...distance.keys()].filter((i) => i !== at).sort((i, j) => distance[i] - distance[j]).slice(0, count).map((i) => [i, distance[i]]);
  }
  let later = 0;
  function laterDirections() {
    clearTimeout(later);
    later = setTimeout(() => {
      if (!model) { directions = Array.from({ length: fixed.directions }, () => ({})); }
      else {
        const near = nearest(edited, NEAR, rows).map(([i]) => rows[i]);
        const found = Model.tangents(model, edited, Math.min(LEADING, width, units));
        const blank = Array.from({ length: LEADING - found.length }, () => null);
        directions = [...found, ...blank, ...Model.leastSensitive(model, edited, near, LEAST)].map((each) => {
          if (!each) return null;
          const along = rows.map((x) => Model.dot(each.vector, x)), centre = along.reduce((a, b) => a + b) / along.length;
          return { ...each, spread: Math.sqrt(along.reduce((sum, a) => sum + (a - centre) ** 2, 0) / along.length) };
        });
      }
      directionSliders.forEach((input, i) => {
        const line = input.parentNode, there = directions[i];
        line.hidden = !there;
        if (there && there.value !== undefined) {
          const name = i < LEADING ? `most sensitive ${i + 1}` : `least sensitive ${i - LEADING + 1}`;
          const gain = round(there.value < 1e-6 ? 0 : there.value, 2); // less is rounding
          line.firstChild.textContent = `${name}: gain ${gain}`;
          input.setAttribute("aria-label", `${name}, gain ${gain}`);
        }
      });
      directions = directions.filter(Boolean).length === directions.length ? directions : directions.map((each) => each || { vector: middle, spread: 0 });
      document.documentElement.dataset.directions = at;
    }, 150);
  }

  // ----- which example
  function choose(i) {
    at = i;
    edited = Float64Array.from(rows[i]);
    $("examples").selectedIndex = i;
    resetSliders();
    if (model) fromInput(edited);
    else { moved = { x: rows[i], z: codes[i], y: stored.rebuilt[i], byCode: false, error: errors[i] }; changed(); }
    const list = nearest(codes[i], NEIGHBOURS).map(([other, distance]) => {
      const button = element("button", { type: "button", onclick: () => { choose(other); $("neighbours").querySelector("button").focus(); } });
      if (image) { const small = element("canvas"); paint(small, rows[other]); small.setAttribute("aria-hidden", "true"); button.append(small); }
      button.append(element("span", { textContent: `${name(other)}, distance ${round(distance, 2)}` }));
      return element("li", {}, button);
    });
    $("neighbours").replaceChildren(...list);
    laterDirections();
  }
  function search() {
    const wanted = $("search").value.trim();
    const found = data.numbers.findIndex((each) => String(each) === wanted);
    const there = data.numbers.map((each, i) => [Math.abs(each - wanted), i]).sort((a, b) => a[0] - b[0])[0];
    $("found").textContent = wanted === "" || found >= 0 ? "" : Number.isFinite(there[0])
      ? `${data.row} ${wanted} is not in this page; the nearest is ${data.numbers[there[1]]}.` : "Type a row number.";
    if (found >= 0) choose(found);
    else if (wanted !== "" && Number.isFinite(there[0])) choose(there[1]);
  }

  function listen() {
    rows.forEach((_, i) => {
      const text = `${name(i)}, error ${round(errors[i], 2)}` + (errors[i] > data.limit ? " ⚠" : "");
      $("examples").append(element("option", { textContent: text }));
      if ($("other")) $("other").append(element("option", { textContent: name(i) }));
    });
    $("examples").addEventListener("change", () => choose($("examples").selectedIndex));
    $("find").addEventListener("submit", (event) => { event.preventDefault(); search(); });
    $("back").addEventListener("click", () => choose(at));
    $("map").addEventListener("click", (event) => {
      const box = $("map").getBoundingClientRect(), p = [event.clientX - box.left, event.clientY - box.top].map((v) => (v * MAP) / box.width);
      const distance = places.map((each) => squared(onMap(each), p));
      choose(distance.indexOf(Math.min(...distance)));
    });
    if (classes.length && colours.length)
      $("legend").append(...classes.map((each, i) => element("span", {}, Object.assign(element("i"), { style: `background: ${PALETTE[i]}` }), each)));
    if (!model) return;
    const other = $("other");
    other.selectedIndex = Math.min(1, rows.length - 1);
    const between = () => {
      const share = Number($("share").value), end = codes[other.selectedIndex], start = encode(edited);
      resetDirections();
      interpolated(share);
      fromCode(start.map((z, i) => (1 - share) * z + share * end[i]));
    };
    $("share").addEventListener("input", between);
    other.addEventListener("change", between);
    if (image || axis) listenToFeatures();
  }
  function everyChannel(feature, value) {
    if (!image) return { [feature]: value };
    return Object.fromEntries(Array.from({ length: image[0] }, (_, c) => [feature + c * image[1] * image[2], value]));
  }
  function listenToFeatures() {
    const select = $("feature"), value = $("value");
    const limits = Array.from({ length: width }, (_, i) => rows.reduce(([a, b], x) => [Math.min(a, x[i]), Math.max(b, x[i])], [Infinity, -Infinity]));
    select.max = image ? image[1] * image[2] - 1 : width - 1;
    const take = (feature) => {
      chosenFeature = feature;
      select.value = feature;
      const place = image ? `row ${Math.floor(feature / image[2])}, column ${feature % image[2]}` : `at ${round(axis[feature], 5)}`;
      $("feature-name").textContent = place;
      select.setAttribute("aria-valuetext", place);
      [value.min, value.max] = image ? [low, high] : [limits[feature][0] - 1e-6, limits[feature][1] + 1e-6];
      value.step = (value.max - value.min) / 200;
      value.value = edited[feature];
      tell(value, round(raw(edited[feature], feature)));
      changed();
    };
    select.addEventListener("input", () => take(Number(select.value)));
    value.addEventListener("input", () => {
      edit(everyChannel(chosenFeature, Number(value.value)));
      tell(value, round(raw(edited[chosenFeature], chosenFeature)));
    });
    if (!image) return take(0);
    const canvas = $("input");
    const pixel = (event) => {
      const box = canvas.getBoundingClientRect();
      const [column, row] = [((event.clientX - box.left) * image[2]) / box.width, ((event.clientY - box.top) * image[1]) / box.height].map(Math.floor);
      return Math.min(image[1] - 1, Math.max(0, row)) * image[2] + Math.min(image[2] - 1, Math.max(0, column));
    };
    const brush = (event) => {
      const feature = pixel(event);
      edit(everyChannel(feature, $("erase").checked ? low : high));
      take(feature);
    };
    canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); brush(event); });
    canvas.addEventListener("pointermove", (event) => { if (event.buttons) brush(event); });
    take(Math.floor(image[1] / 2) * image[2] + Math.floor(image[2] / 2));
  }

  edited = Float64Array.from(rows[0]);
  moved = { x: rows[0], z: codes[0], y: rows[0], byCode: false, error: 0 };
  if (!image && !axis) buildTable();
  if (!image && axis) frame();
  buildDirections();
  buildUnits();
  listen();
  choose(0);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
  // for tests: what the page computes with
  globalThis.exploration = { data, model, rows, codes, errors, choose, fromInput, fromCode, draw, state: () => ({ ...moved, at, directions }) };
  requestAnimationFrame(() => (document.documentElement.dataset.drawn = "yes"));
})();
