// What is looked at, and the way to the server. The look is kept in the address behind #, so that it can be handed on.
const $ = id => document.getElementById(id);
const look = { job: "", span: 3600, group: "", subject: "end to end", trace: "", filter: {} };

function readLook() {
  const asked = new URLSearchParams(location.hash.slice(1));
  for (const key of ["job", "group", "subject", "trace"]) if (asked.has(key)) look[key] = asked.get(key);
  if (+asked.get("span") > 0) look.span = +asked.get("span");
  if (asked.get("live") === "no") $("live").checked = false;
  for (const [key, value] of asked) if (key.startsWith("f.") && value) look.filter[key.slice(2)] = value;
}
function writeLook() {
  const kept = new URLSearchParams();
  for (const key of ["job", "span", "group", "subject", "trace"]) if (look[key]) kept.set(key, look[key]);
  if (!$("live").checked) kept.set("live", "no");
  for (const key in look.filter) if (look.filter[key]) kept.set(`f.${key}`, look.filter[key]);
  history.replaceState(null, "", `#${kept}`);
}

class Refused extends Error {}
function headers() {
  const token = sessionStorage.getItem("stain-token");
  return token ? { "X-Seatunnel-Token": token } : {};
}
// Asks the server; a query's empty values are left out.
async function ask(path, query = {}) {
  const given = new URLSearchParams();
  for (const key in query) if (query[key] !== "" && query[key] !== undefined && query[key] !== null) given.set(key, query[key]);
  const answer = await fetch(`${path}?${given}`, { headers: headers(), cache: "no-store" });
  if (answer.status === 401) throw new Refused("This collector asks for a token.");
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(body.error || `${path}: ${answer.status} ${answer.statusText}`);
  return body;
}
function period() {
  const to = Date.now();
  return { jobId: look.job, fromMs: to - look.span * 1000, toMs: to };
}
// Some hundred buckets, of whole tens of seconds.
function bucketMs() { return Math.max(1, Math.ceil(look.span / 120 / 10)) * 10000; }

function element(parent, name, text, attributes = {}) {
  const node = document.createElement(name);
  for (const key in attributes) node.setAttribute(key, attributes[key]);
  if (text !== undefined) node.textContent = text;
  if (parent) parent.appendChild(node);
  return node;
}
function count(number) { return Number(number).toLocaleString("en"); }
function percent(share) { return `${(share * 100).toFixed(share < 0.0995 ? 1 : 0)} %`; }
function tone(cause) { return (cause || "other").replace(" ", "-"); }
function clock(ms, exact) {
  const at = new Date(ms), two = n => String(n).padStart(2, "0");
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return exact ? `${day} ${time}.${String(at.getMilliseconds()).padStart(3, "0")}` : look.span > 86400 ? `${day.slice(5)} ${time.slice(0, 5)}` : time;
}
// Times of the server are ns in texts, of more digits than a number has.
function nsToMs(text) { return text === null || text === undefined ? NaN : Number(BigInt(text) / 1000000n); }
function nsBetween(from, to) { return Number(BigInt(to) - BigInt(from)); }
