"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const filters = document.querySelector(".filters");
const dialog = document.querySelector("dialog");
const matrix = document.querySelector(".matrix");
const rows = [...matrix.querySelectorAll("tr[data-row]")];

// Filters

function isShown(peer) {
  const { direction, peer: only } = filters.elements;
  return (!direction.value || peer.dataset.direction === direction.value) &&
    (!only.value || peer.dataset.peer === only.value);
}

function isWanted(row) {
  const words = filters.elements.text.value.toLowerCase().split(/\s+/);
  if (!words.every((word) => row.dataset.words.includes(word))) return false;
  const status = filters.elements.status.value;
  const found = [...row.querySelectorAll("td:not([hidden]) .cell")];
  if (status === "empty") return found.length === 0;
  return !status || found.some((cell) => cell.dataset.status === status);
}

function apply() {
  const status = filters.elements.status.value;
  for (const cell of matrix.querySelectorAll("[data-peer]")) cell.hidden = !isShown(cell);
  for (const head of matrix.querySelectorAll(".directions th")) {
    const peers = matrix.querySelectorAll(
      `.peers [data-direction=${head.dataset.direction}]:not([hidden])`);
    head.hidden = peers.length === 0;
    head.colSpan = peers.length || 1;
  }
  for (const row of rows) row.hidden = !isWanted(row);
  for (const cell of matrix.querySelectorAll(".cell")) {
    cell.classList.toggle("dimmed", Boolean(status) && cell.dataset.status !== status);
  }
  for (const group of matrix.tBodies) {
    group.hidden = !group.querySelector("tr[data-row]:not([hidden])");
  }
  const count = rows.filter((row) => !row.hidden).length;
  filters.elements.count.value = `${count} of ${rows.length} behaviours`;
}

// Evidence

function make(tag, options = {}, ...children) {
  const element = Object.assign(document.createElement(tag), options);
  element.append(...children);
  return element;
}

function facts(entries) {
  const list = make("dl");
  for (const [name, fact] of Object.entries(entries)) {
    if (fact) list.append(make("dt", {}, name), make("dd", {}, fact));
  }
  return list;
}

function plain(title, lines) {
  if (!lines.length) return [];
  const items = lines.map((line) => make("li", {}, line));
  return [make("h3", {}, title), make("ul", { className: "plain" }, ...items)];
}

function evidence([name, status]) {
  const [seconds, log] = data.tests[name];
  const item = make("li", {},
    make("span", { className: `badge ${status}` }, status),
    make("code", {}, name), make("span", {}, `${seconds.toFixed(1)} s`));
  if (log) {
    const open = status === "failed";
    const details = make("details", { open }, make("summary", {}, "log"), make("pre", {}, log));
    item.append(details);
  }
  return item;
}

function tests(title, found) {
  return [make("h3", {}, title), make("ul", {}, ...found.map(evidence))];
}

function about(row) {
  return [make("p", {}, row.says), facts({ "demanded by": row.go, differs: row.differs })];
}

function show(title, ...content) {
  dialog.querySelector("h2").textContent = title;
  dialog.querySelector(".body").replaceChildren(...content);
  dialog.showModal();
  dialog.scrollTop = 0;
}

function openCell(name, peerName) {
  const row = data.rows[name], peer = data.peers[peerName], found = row.cells[peerName];
  show(`${name}: ${peer.title}`, ...about(row), facts(peer.facts),
    ...tests(`${found.length} tests`, found));
}

function openRow(name) {
  const row = data.rows[name];
  const cells = Object.entries(row.cells).flatMap(
    ([peer, found]) => tests(data.peers[peer].title, found));
  show(name, ...about(row), ...cells,
    ...plain("Tests without a Go program, which make test runs", row.elsewhere));
}

function openPeer(name) {
  const peer = data.peers[name];
  show(peer.title, facts(peer.facts), ...plain("Not possible", peer.impossible));
}

matrix.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const peer = button.closest("[data-peer]")?.dataset.peer;
  const row = button.closest("[data-row]")?.dataset.row;
  if (row && peer) openCell(row, peer);
  else if (row) openRow(row);
  else openPeer(peer);
});

dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close();
});

// Keys

const steps = {
  ArrowUp: (dx, dy) => [-dy, Math.abs(dx)], ArrowDown: (dx, dy) => [dy, Math.abs(dx)],
  ArrowLeft: (dx, dy) => [-dx, Math.abs(dy)], ArrowRight: (dx, dy) => [dx, Math.abs(dy)],
};

function neighbour(from, step) {
  const place = from.getBoundingClientRect();
  let best = null, least = Infinity;
  for (const button of matrix.querySelectorAll("button")) {
    const other = button.getBoundingClientRect();
    if (!other.width || button === from) continue;
    const dx = other.left + other.width / 2 - place.left - place.width / 2;
    const dy = other.top + other.height / 2 - place.top - place.height / 2;
    const [ahead, aside] = step(dx, dy);
    const distance = ahead + 20 * aside;
    if (ahead > 4 && distance < least) [best, least] = [button, distance];
  }
  return best;
}

document.addEventListener("keydown", (event) => {
  if (dialog.open) return;
  if (event.key === "/" && !event.target.matches("input, select")) {
    event.preventDefault();
    filters.elements.text.focus();
  }
  const step = steps[event.key];
  if (!step || !matrix.contains(event.target)) return;
  event.preventDefault();
  neighbour(event.target, step)?.focus();
});

filters.addEventListener("input", apply);
filters.addEventListener("submit", (event) => event.preventDefault());
// A form's fields have their values back after the event.
filters.addEventListener("reset", () => setTimeout(apply));
apply();
