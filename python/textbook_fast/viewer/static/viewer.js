"use strict";

// Previous and next by key, unless something is being typed.
document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (event.target.closest("input, select, textarea, [contenteditable]")) return;
  const ids = { ArrowLeft: "before", p: "before", ArrowRight: "after", n: "after" };
  const link = document.getElementById(ids[event.key] || "");
  if (link) link.click();
});

// The system's theme, or the one that was chosen here before.
const root = document.documentElement;
const button = document.getElementById("theme");
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (root.dataset.theme || (dark.matches ? "dark" : "light")) === "dark";
const show = () => {
  button.textContent = isDark() ? "Light" : "Dark";
  button.setAttribute("aria-label", isDark() ? "Change to light" : "Change to dark");
};
let chosen = null;
try {
  chosen = localStorage.getItem("theme");
} catch {
  // Storage is off: the system's theme it is.
}
if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;
button.hidden = false;
show();
dark.addEventListener("change", show);
button.addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  try {
    localStorage.setItem("theme", root.dataset.theme);
  } catch {
    // It holds for this page.
  }
  show();
});
