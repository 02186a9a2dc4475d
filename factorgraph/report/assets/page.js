"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const NS = "http://www.w3.org/2000/svg";
  const COLOURS = ["#0b62c4", "#c2410c", "#0f766e", "#9333ea", "#b45309", "#be185d", "#4d7c0f", "#475569"];
  const DASHES = ["", "7 4", "2 3", "9 3 2 3"];
  const W = 1000, H = 320, LEFT = 64, RIGHT = 12, TOP = 22, BOTTOM = 34;

  document.getElementById("theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });

  function svg(name, attributes, parent, text) {
    const node = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== undefined) node.textContent = text;
    if (parent) parent.appendChild(node);
    return node;
  }

  function element(name, parent, text) {
    const node = document.createElement(name);
    if (text !== undefined) node.textContent = text;
    if (parent) parent.appendChild(node);
    return node;
  }

  const spell = (x) => x === 0 ? "0" : Math.abs(x) >= 1e5 || Math.abs(x) < 1e-3 ? x.toExponential(2) : String(Number(x.toPrecision(4)));

  // --- curves ----------------------------------------------------------------------------------------------------------------

  class Chart {
    constructor(place, read) {
      this.place = place;
      this.read = read;
      this.hidden = new Set();
      this.log = null;
      this.draw();
    }

    draw() {
      const { curves, phases } = this.read();
      const focused = document.activeElement && this.place.contains(document.activeElement) ? document.activeElement.dataset.key : null;
      this.place.replaceChildren();
      if (!curves.length) { element("p", this.place, "No curve yet."); return; }
      const names = [...new Set(curves.map((each) => each.name))];
      const look = (name) => { const at = names.indexOf(name); return [COLOURS[at % 8], DASHES[Math.floor(at / 8) % 4]]; };
      const seen = curves.filter((each) => !this.hidden.has(each.name));
      const points = seen.flatMap((each) => each.points.filter((point) => point[1] !== null));
      const values = points.map((point) => point[1]);
      const steps = curves.flatMap((each) => each.points.map((point) => point[0]));
      const low = Math.min(...values), high = Math.max(...values);
      const log = low > 0 && (this.log === null ? high / low > 30 : this.log);
      const map = log ? Math.log10 : (x) => x;
      const first = Math.min(...steps), last = Math.max(...steps);
      const from = values.length ? map(low) : 0, to = values.length ? map(high) : 1;
      const margin = (to - from || Math.abs(to) || 1) * 0.05;
      const x = (step) => LEFT + (W - LEFT - RIGHT) * (last > first ? (step - first) / (last - first) : 0.5);
      const y = (value) => H - BOTTOM - (H - TOP - BOTTOM) * (map(value) - from + margin) / (to - from + 2 * margin);
      const label = "curves over " + first + " to " + last + " steps: " + names.join(", ");
      const picture = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": label }, this.place);
      for (const at of [0, 0.25, 0.5, 0.75, 1]) {
        const level = from - margin + (to - from + 2 * margin) * at;
        const value = log ? 10 ** level : level;
        const height = H - BOTTOM - (H - TOP - BOTTOM) * at;
        svg("path", { class: "axis", d: `M${LEFT},${height}H${W - RIGHT}` }, picture);
        svg("text", { x: LEFT - 6, y: height + 4, "text-anchor": "end" }, picture, spell(value));
        const step = Math.round(first + (last - first) * at);
        svg("text", { x: x(step), y: H - 12, "text-anchor": at === 0 ? "start" : at === 1 ? "end" : "middle" }, picture, step);
      }
      for (const phase of phases) {
        if (phase.from > first) svg("path", { class: "axis", d: `M${x(phase.from)},${TOP}V${H - BOTTOM}` }, picture);
        if ((phase.to - phase.from) / Math.max(1, last - first) > 0.06) svg("text", { x: x(phase.from) + 4, y: 14 }, picture, phase.name);
      }
      for (const curve of seen) {
        const [colour, dash] = look(curve.name);
        if (curve.split === "test") {
          for (const [step, value] of curve.points) {
            if (value !== null) svg("circle", { cx: x(step), cy: y(value), r: 4, fill: "none", stroke: colour, "stroke-width": 2 }, picture);
          }
          continue;
        }
        let path = "", pen = "M";
        for (const [step, value] of curve.points) {
          if (value === null) { pen = "M"; continue; }
          path += `${pen}${x(step).toFixed(1)},${y(value).toFixed(1)}`;
          pen = "L";
        }
        svg("path", { d: path, fill: "none", stroke: colour, "stroke-width": curve.name === "energy" ? 2.4 : 1.6, "stroke-dasharray": dash }, picture);
      }
      const told = element("output", this.place, curves.some((each) => each.split === "test") ? "lines: training batches; circles: held-out samples" : "");
      const line = svg("path", { class: "axis" }, picture);
      picture.addEventListener("pointermove", (event) => {
        const box = picture.getBoundingClientRect();
        const at = first + (last - first) * ((event.clientX - box.left) / box.width * W - LEFT) / (W - LEFT - RIGHT);
        const near = (list) => list.reduce((best, point) => Math.abs(point[0] - at) < Math.abs(best[0] - at) ? point : best);
        const lines = seen.filter((each) => each.split === "train" && each.points.length);
        if (!lines.length) return;
        const step = near(lines[0].points)[0];
        line.setAttribute("d", `M${x(step)},${TOP}V${H - BOTTOM}`);
        told.textContent = `step ${step}: ` + lines.map((each) => { const v = near(each.points)[1]; return `${each.name} ${v === null ? "–" : spell(v)}`; }).join(" · ");
      });
      const keys = element("div", this.place);
      keys.className = "keys";
      for (const name of names) {
        const key = element("button", keys);
        key.type = "button";
        key.dataset.key = name;
        key.setAttribute("aria-pressed", String(!this.hidden.has(name)));
        const swatch = element("span", key);
        swatch.className = "swatch";
        swatch.style.borderTopColor = look(name)[0];
        swatch.style.borderTopStyle = look(name)[1] ? "dashed" : "solid";
        key.append(name);
        key.addEventListener("click", () => { if (!this.hidden.delete(name)) this.hidden.add(name); this.draw(); });
        if (focused === name) key.focus();
      }
      if (low > 0) {
        const scale = element("button", keys, log ? "logarithmic scale" : "linear scale");
        scale.type = "button";
        scale.dataset.key = "\u0000scale";
        scale.addEventListener("click", () => { this.log = !log; this.draw(); });
        if (focused === "\u0000scale") scale.focus();
      }
    }
  }

  function energies() {
    const curves = data.runs.flatMap((run) => run.curves.filter((each) => each.name === "energy" || each.name.startsWith("loss of"))
      .map((each) => ({ ...each, name: `${run.name}: ${each.name}` })));
    return { curves, phases: [] };
  }

  const charts = [...document.querySelectorAll("[data-chart]")].map((place) =>
    new Chart(place, place.dataset.chart === "energies" ? energies : () => data.runs[Number(place.dataset.chart)]));

  // --- the diagram -----------------------------------------------------------------------------------------------------------

  for (const figure of document.querySelectorAll(".diagram")) {
    const about = figure.querySelector(".about");
    const spec = document.getElementById(`spec-${figure.dataset.run}`);
    const tell = (shape) => { about.textContent = shape.dataset.about.split("\n").join(" · "); };
    const find = (shape) => {
      for (const lit of spec.querySelectorAll(".lit")) lit.classList.remove("lit");
      const line = document.getElementById(`line-${figure.dataset.run}-${shape.dataset.line}`);
      if (!line) return;
      line.classList.add("lit");
      spec.scrollTop = line.offsetTop - spec.offsetTop - spec.clientHeight / 3;
    };
    for (const shape of figure.querySelectorAll("[data-about]")) {
      shape.addEventListener("pointerenter", () => tell(shape));
      shape.addEventListener("focus", () => tell(shape));
      shape.addEventListener("click", () => { tell(shape); find(shape); });
      shape.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); find(shape); } });
    }
  }

  document.addEventListener("click", (event) => {
    const frame = event.target.closest(".figures button");
    if (frame) frame.parentElement.classList.toggle("wide");
  });

  // --- while learning goes on ------------------------------------------------------------------------------------------------

  if (data.live) {
    const status = document.getElementById("status"), place = document.getElementById("pictures");
    const refresh = async () => {
      try {
        const answer = await fetch("state.json", { cache: "no-store" });
        if (!answer.ok) throw new Error(answer.statusText);
        const found = await answer.json();
        data.runs = found.runs;
        status.textContent = found.status;
        for (const chart of charts) chart.draw();
        if (found.pictures.length) show(place, found.pictures);
      } catch (reason) {
        status.textContent = "the server does not answer";
      }
      setTimeout(refresh, 2000);
    };
    setTimeout(refresh, 2000);
  }

  function show(place, pictures) {
    const known = new Map([...place.querySelectorAll("figure")].map((each) => [each.querySelector("img").alt, each]));
    for (const text of place.querySelectorAll("p")) text.remove();
    for (const picture of pictures) {
      let figure = known.get(picture.caption);
      if (!figure) {
        figure = element("figure", place);
        const frame = element("button", figure);
        frame.className = "paper";
        frame.type = "button";
        frame.setAttribute("aria-label", `${picture.caption}: larger or smaller`);
        element("img", frame).alt = picture.caption;
        element("figcaption", figure, picture.caption);
      }
      const image = figure.querySelector("img");
      if (image.getAttribute("src") !== picture.source) image.src = picture.source;
    }
  }
})();
