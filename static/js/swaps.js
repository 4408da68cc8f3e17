// Filters, sorting and paging fetch the page they lead to and replace the sheet alone (htmx, see templates/base.html).
// What cannot be shown in place - a page that moved, a sign-in that ended, an error, no network - is opened as a link
// would open it. Nothing waits to settle (defaultSettleDelay): for those 20 ms the new links and forms would not be
// htmx's, and who types on quickly would load the whole page and lose the place.
(() => {
  const open = (event) => location.assign(event.detail.pathInfo.finalRequestPath);

  // A part of a page that looks again by itself (data-refreshes) waits while nobody sees it, or somebody is busy in it.
  const refreshes = (event) => event.detail.elt?.matches?.("[data-refreshes]");
  const isBusy = (part) => document.hidden || part.querySelector("details[open], :is(input, select, textarea):focus");

  // What was typed on after the search was sent off is not in the page that comes back.
  let typed = null;
  const keepTyped = () => {
    const { id, type, value, selectionEnd } = document.activeElement;
    typed = type === "search" && id ? { id, value, selectionEnd } : null;
  };
  const bringTypedBack = () => {
    const field = document.activeElement;
    if (typed?.id !== field.id || typed.value === field.value) return;
    field.value = typed.value;
    field.setSelectionRange(typed.selectionEnd, typed.selectionEnd);
  };

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (!refreshes(event)) event.detail.target.setAttribute("aria-busy", "true");
    else if (isBusy(event.detail.elt)) event.preventDefault();
  });
  document.addEventListener("htmx:afterRequest", (event) => event.detail.target.removeAttribute("aria-busy"));
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { status, responseURL } = event.detail.xhr;
    if (status === 200 && new URL(responseURL).pathname === location.pathname) return keepTyped();
    event.preventDefault();
    open(event);
  });
  document.addEventListener("htmx:sendError", (event) => refreshes(event) || open(event));
  document.addEventListener("htmx:afterSwap", (event) => {
    // What a clock fetched takes nobody's place on the page away.
    if (refreshes(event) || !event.detail.requestConfig?.triggeringEvent) return;
    // The control used may be gone, as "Next" is on the last page. Tab then goes on from the sheet's start.
    if (document.activeElement === document.body) document.getElementById("sheet").focus({ preventScroll: true });
    else bringTypedBack();
  });
})();
