"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const NS = "http://www.w3.org/2000/svg";
  const COLOURS = 8;  // --s0 to --s7 of the style
  const DASHES = ["", "7 4", "2 3", "9 3 2 3"];
  const RIGHT = 14, TOP = 40, BOTTOM = 40;

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

  // Round numbers between two others: about as many as asked for.
  function ticks(from, to, wanted) {
    const rough = (to - from) / wanted, size = 10 ** Math.floor(Math.log10(rough));
    const step = size * ([1, 2, 5].find((each) => each * size >= rough) || 10);
    const found = [];
    for (let at = Math.ceil(from / step - 1e-9); at * step <= to + 1e-9 * step; at += 1) found.push(at * step);
    return found;
  }

  // The same where equal distances are equal ratios: powers of ten, with 2 and 5 times them where these are few.
  function ratios(from, to) {
    const between = [1, 2, 5].flatMap((each) => ticks(Math.floor(from), Math.ceil(to), Math.ceil(to) - Math.floor(from) || 1)
      .map((power) => [Math.log10(each) + power, each])).filter(([at]) => at >= from && at <= to).sort((a, b) => a[0] - b[0]);
    if (between.length < 3) return ticks(10 ** from, 10 ** to, 4).filter((each) => each > 0);
    const kept = between.length > 7 ? between.filter(([, each]) => each === 1) : between;
    return kept.map(([at]) => 10 ** at);
  }

  // A scale whose equal distances are equal ratios on both sides of 0, and that is even between -size and size, where values on
  // it begin to count: the tenth part of all magnitudes is below.
  function bothSigns(values) {
    const sizes = values.map(Math.abs).filter((each) => each > 0).sort((a, b) => a - b);
    const largest = sizes[sizes.length - 1], size = Math.max(sizes[Math.floor(sizes.length / 10)], largest * 1e-6);
    const map = (x) => Math.sign(x) * Math.log10(1 + Math.abs(x) / size);
    const levels = (low, high) => {
      const least = Math.ceil(Math.log10(size)), most = Math.floor(Math.log10(largest)), apart = Math.max(1, Math.ceil((most - least + 1) / 4));
      const powers = [];
      for (let power = most; power >= least; power -= apart) powers.unshift(10 ** power);
      return [...powers.map((each) => -each).reverse(), 0, ...powers].filter((each) => each >= low && each <= high);
    };
    return { map, levels, wide: largest / size > 30 };
  }

  class Chart {
    constructor(place, read) {
      this.place = place;
      this.read = read;
      this.hidden = new Set();
      this.log = null;
      this.seen = "";
      this.step = null;
      new ResizeObserver(() => { if (Math.abs(place.clientWidth - this.width) > 8) this.draw(); }).observe(place);
      this.draw();
    }

    // Draw again what has changed since it was drawn.
    renew() {
      if (JSON.stringify(this.read()) !== this.seen) this.draw();
    }

    draw() {
      const { curves, phases } = this.read();
      this.seen = JSON.stringify(this.read());
      this.width = this.place.clientWidth;
      const focused = document.activeElement && this.place.contains(document.activeElement) ? document.activeElement.dataset.key : null;
      this.place.replaceChildren();
      if (!curves.length) { element("p", this.place, "No curve yet."); return; }
      const names = [...new Set(curves.map((each) => each.name))];
      const look = (name) => { const at = names.indexOf(name); return [`var(--s${at % COLOURS})`, DASHES[Math.floor(at / COLOURS) % 4]]; };
      const seen = curves.filter((each) => !this.hidden.has(each.name));
      const values = seen.flatMap((each) => each.points.map((point) => point[1])).filter((value) => value !== null);
      const steps = curves.flatMap((each) => each.points.map((point) => point[0]));
      const low = values.length ? values.reduce((a, b) => Math.min(a, b)) : 0, high = values.length ? values.reduce((a, b) => Math.max(a, b)) : 1;
      const signed = low <= 0 && high > low ? bothSigns(values) : null;
      const log = (low > 0 || signed !== null) && (this.log === null ? (signed ? signed.wide : high / low > 30) : this.log);
      const map = !log ? (x) => x : signed ? signed.map : Math.log10;
      const first = steps.reduce((a, b) => Math.min(a, b)), last = steps.reduce((a, b) => Math.max(a, b));
      const margin = (map(high) - map(low) || Math.abs(map(high)) || 1) * 0.05;
      const from = map(low) - margin, to = map(high) + margin;
      const levels = !log ? ticks(from, to, 5) : signed ? signed.levels(low, high) : ratios(from, to);
      const LEFT = 16 + 7 * Math.max(...levels.map((each) => spell(each).length), 2);
      const W = Math.max(this.width, 280), H = W < 600 ? 260 : 340;
      const x = (step) => LEFT + (W - LEFT - RIGHT) * (last > first ? (step - first) / (last - first) : 0.5);
      const y = (value) => H - BOTTOM - (H - TOP - BOTTOM) * (map(value) - from) / (to - from);
      const losses = names.filter((each) => /(^|: )loss( of |$)/.test(each)).length;
      const what = losses === names.length ? "loss" : `${losses ? "loss or energy" : "energy"}, mean per sample`;
      const label = `${what}, over steps ${first} to ${last}: ${names.join(", ")}. Arrow keys read it step by step.`;
      const picture = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": label, tabindex: 0 }, this.place);
      picture.dataset.key = "\u0000picture";
      svg("text", { x: 0, y: 13, class: "head" }, picture, what);
      svg("text", { x: W - RIGHT, y: H - 6, "text-anchor": "end", class: "head" }, picture, "step");
      for (const level of levels) {
        svg("path", { class: "axis", d: `M${LEFT},${y(level)}H${W - RIGHT}` }, picture);
        svg("text", { x: LEFT - 8, y: y(level) + 4, "text-anchor": "end" }, picture, spell(level));
      }
      svg("path", { class: "axis strong", d: `M${LEFT},${H - BOTTOM}H${W - RIGHT}` }, picture);
      const every = last > first ? ticks(first, last, W < 600 ? 4 : 8).filter(Number.isInteger) : [first];
      for (const step of every) {
        svg("path", { class: "axis strong", d: `M${x(step)},${H - BOTTOM}v5` }, picture);
        svg("text", { x: x(step), y: H - BOTTOM + 18, "text-anchor": "middle" }, picture, step);
      }
      for (const phase of phases) {
        if (phase.from > first) svg("path", { class: "axis strong", d: `M${x(phase.from)},${TOP - 14}V${H - BOTTOM}` }, picture);
        const room = (W - LEFT - RIGHT) * (phase.to - phase.from) / Math.max(1, last - first);
        if (room > 7 * phase.name.length + 8) svg("text", { x: x(phase.from) + 5, y: TOP - 6 }, picture, phase.name);
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
        svg("path", { d: path, fill: "none", stroke: colour, "stroke-width": curve.name === "energy" ? 2.6 : 1.7, "stroke-dasharray": dash }, picture);
      }
      const told = element("output", this.place, curves.some((each) => each.split === "test") ? "lines: training batches; circles: held-out samples" : "");
      const line = svg("path", { class: "axis strong" }, picture);
      const near = (list, at) => list.reduce((best, point) => Math.abs(point[0] - at) < Math.abs(best[0] - at) ? point : best);
      const lines = seen.filter((each) => each.split === "train" && each.points.length);
      const tell = (at) => {
        if (!lines.length) return;
        this.step = near(lines[0].points, at)[0];
        line.setAttribute("d", `M${x(this.step)},${TOP}V${H - BOTTOM}`);
        told.textContent = `step ${this.step}: ` + lines.map((each) => { const v = near(each.points, at)[1]; return `${each.name} ${v === null ? "–" : spell(v)}`; }).join(" · ");
      };
      picture.addEventListener("pointermove", (event) => {
        const box = picture.getBoundingClientRect();
        tell(first + (last - first) * ((event.clientX - box.left) / box.width * W - LEFT) / (W - LEFT - RIGHT));
      });
      picture.addEventListener("keydown", (event) => {
        const known = lines.length ? lines[0].points.map((point) => point[0]) : [];
        const at = known.indexOf(this.step), far = Math.max(1, Math.round(known.length / 20));
        const to = { ArrowLeft: at < 0 ? known.length - 1 : at - 1, ArrowRight: at + 1, PageDown: at + far, PageUp: at - far, Home: 0, End: known.length - 1 }[event.key];
        if (to === undefined || !known.length) return;
        event.preventDefault();
        tell(known[Math.min(Math.max(to, 0), known.length - 1)]);
      });
      const keys = element("div", this.place);
      keys.className = "keys";
      keys.setAttribute("role", "group");
      keys.setAttribute("aria-label", "curves");
      for (const name of names) {
        const key = element("button", keys);
        key.type = "button";
        key.dataset.key = name;
        key.setAttribute("aria-pressed", String(!this.hidden.has(name)));
        const swatch = svg("svg", { class: "swatch", width: 22, height: 6, "aria-hidden": "true" }, key);
        svg("path", { d: "M0,3H22", stroke: look(name)[0], "stroke-width": 3, "stroke-dasharray": look(name)[1] }, swatch);
        key.append(name);
        key.addEventListener("click", () => { if (!this.hidden.delete(name)) this.hidden.add(name); this.draw(); });
      }
      if (low > 0 || signed) {
        const scale = element("button", keys, log ? "logarithmic scale" : "linear scale");
        scale.type = "button";
        scale.className = "scale";
        scale.dataset.key = "\u0000scale";
        scale.addEventListener("click", () => { this.log = !log; this.draw(); });
      }
      for (const each of this.place.querySelectorAll("[data-key]")) if (each.dataset.key === focused) each.focus();
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
    const tell = (shape) => {
      const where = shape.dataset.line ? [`line ${shape.dataset.line} of the spec`] : [];
      about.textContent = [...shape.dataset.about.split("\n"), ...where].join(" · ");
    };
    const find = (shape) => {
      for (const lit of spec.querySelectorAll(".lit")) lit.classList.remove("lit");
      const line = document.getElementById(`line-${figure.dataset.run}-${shape.dataset.line}`);
      if (!line) return;
      line.classList.add("lit");
      spec.scrollTop = line.offsetTop - spec.clientHeight / 3;
      if (figure.classList.contains("apart")) spec.scrollIntoView({ block: "nearest" });
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

  // A page on paper shows everything.
  addEventListener("beforeprint", () => { for (const each of document.querySelectorAll("details")) each.open = true; });

  // --- while learning goes on ------------------------------------------------------------------------------------------------

  const held = new Map();  // what sections were last given

  if (data.live) {
    const status = document.getElementById("status");
    const tell = (text, standing) => {
      if (status.textContent !== text) status.textContent = text;
      status.className = `status ${standing}`;
    };
    const refresh = async () => {
      try {
        const answer = await fetch("state.json", { cache: "no-store" });
        if (!answer.ok) throw new Error(answer.statusText);
        const found = await answer.json();
        data.runs = found.runs;
        tell(found.status, found.standing);
        for (const chart of charts) chart.renew();
        for (const [name, text] of Object.entries(found.sections)) renew(name, text);
      } catch (reason) {
        tell("the server does not answer", "stopped");
      }
      setTimeout(refresh, 2000);
    };
    setTimeout(refresh, 2000);
  }

  // Put what a section holds now in its place, if it has changed. A figure that was there stays the same element, as large as it was.
  function renew(name, text) {
    const place = document.querySelector(`[data-section="${name}"]`), made = document.createElement("template");
    made.innerHTML = text;
    if (held.get(name) === text || (!held.has(name) && made.innerHTML === place.innerHTML)) return;
    held.set(name, text);
    const known = new Map([...place.querySelectorAll("figure")].map((each) => [each.dataset.name, each]));
    const figures = [...made.content.querySelectorAll("figure")];
    for (const figure of figures.filter((each) => known.has(each.dataset.name))) {
      const old = known.get(figure.dataset.name), now = figure.querySelector("img"), before = old.querySelector("img");
      for (const { name: key, value } of now.attributes) if (before.getAttribute(key) !== value) before.setAttribute(key, value);
      figure.replaceWith(old);
    }
    place.replaceChildren(made.content);
  }
})();
