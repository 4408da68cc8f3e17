// j and k walk the rows of the page's main table, Enter opens a row, / goes to the search field.
(() => {
  const typing = (element) => element && element.matches("input, textarea, select, [contenteditable]");
  const rows = () => [...document.querySelectorAll("[data-rows] tbody tr")].filter((row) => row.querySelector("a"));

  const go = (step) => {
    const all = rows();
    if (!all.length) return;
    const at = all.findIndex((row) => row.classList.contains("here"));
    const next = Math.min(Math.max(at + step, 0), all.length - 1);
    all.forEach((row) => row.classList.remove("here"));
    all[next].classList.add("here");
    all[next].querySelector("a").focus({ preventScroll: true });
    all[next].scrollIntoView({ block: "nearest" });
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(document.activeElement)) return;
    if (event.key === "j") go(1);
    else if (event.key === "k") go(-1);
    else if (event.key === "/") {
      const field = document.querySelector("input[type=search]");
      if (!field) return;
      event.preventDefault();
      field.focus();
      field.select();
    }
  });
})();
