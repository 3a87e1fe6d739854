// Moves, finds and lights up what the picture shows. All text of the story goes in as text, never as markup.
"use strict";
(() => {
  const graph = JSON.parse(document.querySelector("[data-graph]").textContent);
  const stage = document.querySelector("[data-stage]");
  const svg = stage.querySelector("svg");
  const world = svg.querySelector(".graph");
  const panel = document.querySelector("[data-panel]");
  const map = document.querySelector("[data-map]");
  const scenes = [...svg.querySelectorAll(".scene")];
  const ways = [...svg.querySelectorAll(".way")];
  const labels = [...svg.querySelectorAll(".label")];
  const LEAST = 0.02, MOST = 4, FAR = 0.42, STEP = 1.25, ARROW = 80, MARGIN = 24, DRAG = 4;
  const number = new Map(graph.nodes.map((node, index) => [node.id, index]));
  const waysOut = graph.nodes.map(() => []), waysIn = graph.nodes.map(() => []);
  graph.edges.forEach((edge, index) => {
    waysOut[edge.from].push(index);
    waysIn[edge.to].push(index);
  });
  for (const list of waysOut) list.sort((a, b) => graph.edges[b].share - graph.edges[a].share || a - b);
  const view = {x: 0, y: 0, scale: 1};
  let chosen = null, from = null, hits = [], hit = -1;

  // ── the view ──────────────────────────────────────────────────────────────────────────────────────────────────
  svg.removeAttribute("viewBox");
  svg.removeAttribute("width");
  svg.removeAttribute("height");

  function show() {
    world.setAttribute("transform", `translate(${view.x} ${view.y}) scale(${view.scale})`);
    svg.classList.toggle("far", view.scale < FAR);
    document.querySelector("[data-scale]").textContent = `${Math.round(view.scale * 100)} %`;
    drawMap();
  }

  function zoom(scale, x = stage.clientWidth / 2, y = stage.clientHeight / 2) {
    const bounded = Math.min(MOST, Math.max(LEAST, scale));
    view.x = x - (x - view.x) * bounded / view.scale;
    view.y = y - (y - view.y) * bounded / view.scale;
    view.scale = bounded;
    show();
  }

  const fitting = () => Math.min(1, (stage.clientWidth - 2 * MARGIN) / graph.width,
    (stage.clientHeight - 2 * MARGIN) / graph.height);

  function fit() {
    view.scale = Math.max(LEAST, fitting());
    view.x = (stage.clientWidth - graph.width * view.scale) / 2;
    view.y = (stage.clientHeight - graph.height * view.scale) / 2;
    show();
  }

  function centre(index, scale = view.scale) {
    const box = graph.nodes[index].box;
    view.scale = scale;
    view.x = stage.clientWidth / 2 - (box[0] + box[2] / 2) * scale;
    view.y = stage.clientHeight / 2 - (box[1] + box[3] / 2) * scale;
    show();
  }

  function reveal(index) {
    const [x, y, width, height] = graph.nodes[index].box;
    const left = view.x + x * view.scale, top = view.y + y * view.scale;
    const isIn = left >= 0 && top >= 0 && left + width * view.scale <= stage.clientWidth &&
      top + height * view.scale <= stage.clientHeight;
    if (!isIn) centre(index);
  }

  function begin() {
    map.hidden = fitting() >= FAR;
    if (fitting() >= FAR || !graph.starts.length) return fit();
    centre(graph.starts[0], 0.8);  // a large story opens at its first scene, large enough to read
    view.y = MARGIN - graph.nodes[graph.starts[0]].box[1] * view.scale;
    show();
  }

  // ── the map ───────────────────────────────────────────────────────────────────────────────────────────────────
  const mapScale = () => Math.min((map.clientWidth - 8) / graph.width, (map.clientHeight - 8) / graph.height);

  function drawMap() {
    const ratio = window.devicePixelRatio || 1;
    if (!map.clientWidth) return;
    map.width = map.clientWidth * ratio;
    map.height = map.clientHeight * ratio;
    const pen = map.getContext("2d"), style = getComputedStyle(document.documentElement), scale = mapScale();
    pen.scale(ratio, ratio);
    pen.translate(4, 4);
    graph.nodes.forEach((node, index) => {
      const kind = scenes[index].classList;
      const isSought = svg.classList.contains("only-never") && !node.share;
      const name = isSought ? "--lost" : kind.contains("on-path") || node.badges.includes("start") ? "--start" :
        kind.contains("hit") ? "--ask" : node.badges.includes("ending") ? "--ending" :
        node.badges.includes("unreachable") ? "--lost" : "--line";
      pen.globalAlpha = node.share || isSought || kind.contains("hit") || kind.contains("on-path") ? 1 : 0.35;
      pen.fillStyle = style.getPropertyValue(name);
      const [x, y, width, height] = node.box;
      pen.fillRect(x * scale, y * scale, Math.max(width * scale, 2), Math.max(height * scale, 1.5));
    });
    pen.globalAlpha = 1;
    pen.strokeStyle = style.getPropertyValue("--ink");
    pen.lineWidth = 1.5;
    pen.strokeRect(-view.x / view.scale * scale, -view.y / view.scale * scale,
      stage.clientWidth / view.scale * scale, stage.clientHeight / view.scale * scale);
  }

  function goTo(event) {
    const place = map.getBoundingClientRect(), scale = mapScale();
    view.x = stage.clientWidth / 2 - (event.clientX - place.left - 4) / scale * view.scale;
    view.y = stage.clientHeight / 2 - (event.clientY - place.top - 4) / scale * view.scale;
    show();
  }
  map.addEventListener("pointerdown", (event) => {
    map.setPointerCapture(event.pointerId);
    goTo(event);
  });
  map.addEventListener("pointermove", (event) => event.buttons && goTo(event));

  // ── hands ─────────────────────────────────────────────────────────────────────────────────────────────────────
  const pointers = new Map();
  let moved = 0, pinch = 0;
  const at = (event) => {
    const place = stage.getBoundingClientRect();
    return {x: event.clientX - place.left, y: event.clientY - place.top};
  };
  const spread = () => {
    const [a, b] = [...pointers.values()];
    return Math.hypot(a.x - b.x, a.y - b.y) || 1;
  };

  stage.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    pointers.set(event.pointerId, at(event));
    if (pointers.size === 1) moved = 0;
    if (pointers.size === 2) pinch = spread();
  });
  window.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = at(event);
    moved += Math.hypot(now.x - before.x, now.y - before.y);
    pointers.set(event.pointerId, now);
    if (pointers.size === 2) {
      const [a, b] = [...pointers.values()], wide = spread();
      zoom(view.scale * wide / pinch, (a.x + b.x) / 2, (a.y + b.y) / 2);
      pinch = wide;
    } else if (moved > DRAG) {
      stage.classList.add("held");
      view.x += now.x - before.x;
      view.y += now.y - before.y;
      show();
    }
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    window.addEventListener(kind, (event) => {
      pointers.delete(event.pointerId);
      if (!pointers.size) stage.classList.remove("held");
    });
  }
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    const {x, y} = at(event), unit = event.deltaMode === 1 ? 20 : 1;
    zoom(view.scale * Math.exp(-event.deltaY * unit * (event.ctrlKey ? 0.01 : 0.0015)), x, y);
  }, {passive: false});
  stage.addEventListener("click", (event) => {
    if (moved > DRAG) return;
    const scene = event.target.closest(".scene");
    if (!scene) return clear();
    const index = Number(scene.dataset.scene);
    if ((event.shiftKey || from !== null) && chosen !== null) lead(from ?? chosen, index);
    else choose(index);
  });
  stage.addEventListener("dblclick", (event) => {
    const {x, y} = at(event);
    zoom(view.scale * STEP * STEP, x, y);
  });

  const acts = {in: () => zoom(view.scale * STEP), out: () => zoom(view.scale / STEP), actual: () => zoom(1), fit};
  for (const button of document.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => acts[button.dataset.zoom]());
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input[type=search]")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const shift = {ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1]}[event.key];
    const scene = event.target.closest?.(".scene");
    if (event.key === "/") document.querySelector("input[type=search]").focus();
    else if (event.key === "+" || event.key === "=") acts.in();
    else if (event.key === "-") acts.out();
    else if (event.key === "0") fit();
    else if (event.key === "1") acts.actual();
    else if (event.key === "Escape") clear();
    else if (scene && (event.key === "Enter" || event.key === " ")) {
      const index = Number(scene.dataset.scene);
      if ((event.shiftKey || from !== null) && chosen !== null) lead(from ?? chosen, index);
      else choose(index);
    } else if (shift && stage.contains(event.target)) {
      view.x += shift[0] * ARROW;
      view.y += shift[1] * ARROW;
      show();
    } else return;
    event.preventDefault();
  });

  // ── what is lit ───────────────────────────────────────────────────────────────────────────────────────────────
  function unlit() {
    for (const each of [...scenes, ...ways, ...labels]) each.classList.remove("lit", "chosen", "on-path");
    svg.classList.remove("choosing");
  }

  function clear() {
    chosen = from = null;
    unlit();
    panel.replaceChildren();
    history.replaceState(null, "", location.pathname + location.search);
    show();
  }

  // Fewest scenes; among as many, the ways that more viewers go. Gives edges, or null where none leads there.
  function path(starts, goal) {
    const came = new Map(starts.map((start) => [start, null]));
    const todo = [...starts];
    for (let place = 0; place < todo.length && !came.has(goal); place += 1) {
      for (const edge of waysOut[todo[place]]) {
        const to = graph.edges[edge].to;
        if (!came.has(to)) {
          came.set(to, edge);
          todo.push(to);
        }
      }
    }
    if (!came.has(goal)) return null;
    const found = [];
    for (let edge = came.get(goal); edge !== null; edge = came.get(graph.edges[edge].from)) found.unshift(edge);
    return found;
  }

  function light(edges, kind) {
    for (const index of edges) {
      const edge = graph.edges[index];
      for (const each of [ways[index], labels[index]]) each.classList.add("lit");
      if (kind) ways[index].classList.add(kind);
      for (const scene of [edge.from, edge.to]) {
        scenes[scene].classList.add("lit");
        if (kind) scenes[scene].classList.add(kind);
      }
    }
  }

  function choose(index) {
    chosen = index;
    from = null;
    unlit();
    const way = path(graph.starts, index);
    light([...waysOut[index], ...waysIn[index]]);
    if (way) light(way, "on-path");
    scenes[index].classList.add("lit", "chosen");
    svg.classList.add("choosing");
    tell(index, way);
    history.replaceState(null, "", "#" + encodeURIComponent(graph.nodes[index].id));
    show();
  }

  function lead(start, goal) {
    const way = path([start], goal);
    from = null;
    unlit();
    light(way ?? [], "on-path");
    for (const index of [start, goal]) scenes[index].classList.add("lit", "chosen");
    svg.classList.add("choosing");
    chosen = goal;
    panel.replaceChildren(
      made("h2", {}, `${graph.nodes[start].id} → ${graph.nodes[goal].id}`),
      made("p", {}, way ? `${way.length} ${way.length === 1 ? "way" : "ways"}, the fewest there are.` :
        "No way leads there."),
      steps(way ?? []), tools(goal));
    panel.scrollTop = 0;
    show();
  }

  // ── what is told ──────────────────────────────────────────────────────────────────────────────────────────────
  function made(name, attributes, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  }

  function link(index) {
    const anchor = made("a", {href: "#" + encodeURIComponent(graph.nodes[index].id)}, graph.nodes[index].id);
    anchor.addEventListener("click", (event) => {
      event.preventDefault();
      choose(index);
      reveal(index);
    });
    return anchor;
  }

  const row = (...cells) => made("div", {class: "row"}, ...cells);
  const list = (items, kind = "ul") => made(kind, {}, ...items.map((item) => made("li", {}, ...item)));
  const section = (title, ...body) => [made("h3", {}, title), ...body];
  const small = (...lines) => lines.filter(Boolean).map((line) => made("small", {}, line));
  const code = (text) => made("code", {}, text);

  function about(way) {
    const parts = [way.means];
    if (way.default) parts.push("taken without an answer");
    for (const group of way.groups) parts.push(`through group ${group}`);
    if (way.weight !== null) parts.push(`drawn with weight ${way.weight}`);
    const line = made("small", {}, parts.join(" · "));
    for (const condition of way.conditions) line.append(" · if ", code(condition));
    return line;
  }

  function steps(edges) {
    return list(edges.map((index) => {
      const edge = graph.edges[index];
      return [row(made("span", {}, link(edge.from), " → ", link(edge.to)), edge.percent), ...edge.ways.map(about)];
    }), "ol");
  }

  function tools(index) {
    const button = made("button", {type: "button"}, "Path from here to…");
    button.addEventListener("click", () => {
      from = index;
      button.textContent = "Choose the scene to go to";
      button.classList.add("armed");
    });
    const centred = made("button", {type: "button"}, "Show");
    centred.addEventListener("click", () => centre(index, Math.max(view.scale, 1)));
    const close = made("button", {type: "button"}, "Close");
    close.addEventListener("click", () => {
      clear();
      stage.focus();
    });
    return made("div", {class: "tools"}, button, centred, close);
  }

  function tell(index, way) {
    const node = graph.nodes[index];
    const picture = scenes[index].querySelector("image");
    const facts = [`${node.length}${node.assumed ? " (assumed)" : ""}`, `seen by ${node.percent} of the viewers`];
    const marks = [...node.badges.filter((badge) => badge !== "decision" && badge !== "ending")];
    if (node.ending !== null) marks.push(`${node.goal ? "ending hoped for" : "ending"}: ${node.ending}`);
    if (node.checkpoint !== null) marks.push(`checkpoint: ${node.checkpoint}`);
    const parts = [made("h2", {}, node.id), made("p", {}, facts.join(" · ")), ...small(marks.join(" · "))];
    parts.push(...small(`footage: ${node.source}`));
    if (picture) parts.push(made("img", {src: picture.getAttribute("href"), alt: ""}));
    parts.push(tools(index));
    if (node.text) parts.push(...section("Text", made("p", {class: "prose"}, node.text)));
    if (node.findings.length) {
      parts.push(...section("Findings", list(node.findings.map((text) => [made("span", {class: "finding-text"}, text)]))));
    }
    for (const question of node.questions) {
      parts.push(...section(`Decision ${question.id}`, made("p", {}, question.prompt), list(question.options.map((option) => {
        const lines = [];
        if (option.default) lines.push(made("small", {}, "taken without an answer"));
        if (option.condition !== null) lines.push(made("small", {}, "offered if ", code(option.condition)));
        for (const effect of option.effects) lines.push(made("small", {}, "sets ", code(effect)));
        lines.push(...small(...option.notes));
        return [row(made("span", {}, option.label), option.percent ?? ""), ...lines];
      }))));
    }
    if (node.notes.length) parts.push(...section("Events and variants", list(node.notes.map((note) => [code(note)]))));
    const described = (edges, end) => list(edges.map((each) => {
      const edge = graph.edges[each];
      return [row(link(edge[end]), edge.percent), ...edge.ways.map(about)];
    }));
    if (waysOut[index].length) parts.push(...section("Ways out", described(waysOut[index], "to")));
    if (waysIn[index].length) parts.push(...section("Ways in", described(waysIn[index], "from")));
    if (way?.length) parts.push(...section(`Shortest path from the start: ${way.length} ways`, steps(way)));
    else if (!way) parts.push(...section("Shortest path from the start", made("p", {}, "No way leads here.")));
    panel.replaceChildren(...parts);
    panel.scrollTop = 0;
  }

  // ── search and filter ─────────────────────────────────────────────────────────────────────────────────────────
  const search = document.querySelector("[data-search]");
  const field = search.querySelector("input");
  const texts = graph.nodes.map((node) => [node.id, node.ending ?? "", node.checkpoint ?? "", node.source, node.text,
    ...node.questions.flatMap((question) => [question.id, question.prompt, ...question.options.map((o) => o.label)]),
  ].join("\n").toLocaleLowerCase());

  function find() {
    const words = field.value.trim().toLocaleLowerCase().split(/\s+/).filter(Boolean);
    hits = words.length ? texts.flatMap((text, index) => words.every((word) => text.includes(word)) ? [index] : []) : [];
    const exact = number.get(field.value.trim());
    if (exact !== undefined) hits = [exact, ...hits.filter((index) => index !== exact)];
    hit = -1;
    scenes.forEach((scene, index) => scene.classList.toggle("hit", hits.includes(index)));
    search.querySelector("[data-hits]").textContent = words.length ? `${hits.length} found` : "";
    drawMap();
  }
  field.addEventListener("input", find);
  search.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!hits.length) return;
    hit = (hit + 1) % hits.length;
    search.querySelector("[data-hits]").textContent = `${hit + 1} of ${hits.length}`;
    choose(hits[hit]);
    centre(hits[hit], Math.max(view.scale, 0.8));
  });

  const never = graph.nodes.flatMap((node, index) => node.share ? [] : [index]);
  document.querySelector("[data-never-label]").textContent = `never reached (${never.length})`;
  document.querySelector("[data-never]").addEventListener("change", (event) => {
    svg.classList.toggle("only-never", event.target.checked);
    if (event.target.checked && never.length) reveal(never[0]);
    drawMap();
  });

  // ── ready ─────────────────────────────────────────────────────────────────────────────────────────────────────
  scenes.forEach((scene, index) => {
    const node = graph.nodes[index], name = scene.querySelector(".name");
    const about = [node.id, node.percent + " of the viewers", ...node.badges, ...node.questions.map((q) => q.prompt)];
    scene.setAttribute("tabindex", "0");
    scene.setAttribute("role", "button");
    scene.setAttribute("aria-label", about.join(", "));
    name.style.setProperty("--far", `${Math.max(13, Math.min(34, 172 / (0.66 * name.textContent.length)))}px`);
    scene.addEventListener("focus", () => scene.matches(":focus-visible") && reveal(index));
  });
  new ResizeObserver(show).observe(stage);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawMap);
  begin();
  const asked = number.get(decodeURIComponent(location.hash.slice(1)));
  if (asked !== undefined) {
    choose(asked);
    centre(asked, Math.max(view.scale, 0.8));
  }
})();
