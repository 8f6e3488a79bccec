"use strict";

const every = 250; // milliseconds between two questions
const shown = 60; // answers that are shown
const patience = 5000; // milliseconds until a question has failed
const silence = 5000; // milliseconds without an answer after which a pod counts as gone
const memory = 60000; // and after which it is no longer shown

const pods = new Map(); // by name: version, answers, last (when it answered)
const answers = []; // the last ones: pod and version, or neither if it failed
let asked = 0, failed = 0;

// A version has the same colour in every browser.
function colour(version) {
  let hue = 0;
  for (const letter of version) hue = (hue * 31 + letter.codePointAt(0) * 137) % 360;
  return `hsl(${hue} 55% 42%)`;
}

function element(name, text, version) {
  const made = document.createElement(name);
  made.textContent = text;
  if (version !== undefined) made.style.setProperty("--color", colour(version));
  return made;
}

async function ask() {
  let answer = {};
  try {
    const response = await fetch("/whoami", { cache: "no-store", signal: AbortSignal.timeout(patience) });
    if (!response.ok) throw new Error(response.status);
    answer = await response.json();
    const pod = pods.get(answer.pod) ?? { answers: 0 };
    pods.set(answer.pod, { version: answer.version, answers: pod.answers + 1, last: performance.now() });
  } catch {
    failed++;
  }
  asked++;
  answers.push(answer);
  if (answers.length > shown) answers.shift();
}

function show() {
  const now = performance.now();
  for (const [name, pod] of pods) if (now - pod.last > memory) pods.delete(name);
  const here = [...pods.values()].filter((pod) => now - pod.last < silence);
  const versions = [...new Set(here.map((pod) => pod.version))].sort();
  document.getElementById("summary").textContent =
    `${versions.join(" and ") || "no version"}, ${here.length} ${here.length === 1 ? "pod" : "pods"}: ${asked - failed} answers, ${failed} failed`;

  document.getElementById("answers").replaceChildren(...answers.map((answer) => {
    const item = element("li", "", answer.version ?? "");
    item.className = answer.pod ? "" : "failed";
    item.title = answer.pod ? `${answer.version} on ${answer.pod}` : "no answer";
    return item;
  }));

  document.getElementById("pods").replaceChildren(...[...pods].sort().map(([name, pod]) => {
    const row = document.createElement("tr");
    row.className = now - pod.last < silence ? "" : "gone";
    const share = document.createElement("meter");
    share.max = answers.length;
    share.value = answers.filter((answer) => answer.pod === name).length;
    const cells = [name, element("b", pod.version, pod.version), share, pod.answers, `${Math.round((now - pod.last) / 1000)} s ago`];
    for (const cell of cells) row.appendChild(document.createElement("td")).append(cell);
    return row;
  }));
}

// Asks at a steady pace, whether or not the answers keep up.
setInterval(() => ask().then(show), every);
