// The usage chart, to zoom into and to switch names on and off. Without this file, or without ECharts, the chart
// that the server drew stays. A sheet that was swapped in brings its own chart.
(() => {
  const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const month = new Intl.DateTimeFormat("en-US", { month: "short", timeZone: "UTC" });
  const day = (text) => `${Number(text.slice(8))} ${month.format(new Date(text))}`;
  const CHART_HEIGHT = 296;
  const LEGEND_ROW = 24;
  const LEGEND_GAP = 12;
  const NAME_SHOWN = 40;
  let chart = null;
  let data = null;

  const shown = (name) => (name.length > NAME_SHOWN ? `${name.slice(0, NAME_SHOWN - 1)}…` : name);

  // How many rows the names take below the chart, so that none is cut off and the bars keep their height.
  const legendRows = () => {
    const pen = document.createElement("canvas").getContext("2d");
    pen.font = `12px ${getComputedStyle(document.body).fontFamily}`;
    const width = chart.getDom().clientWidth - 16;
    let rows = 1;
    let taken = 0;
    for (const { name } of data.series) {
      const own = pen.measureText(shown(name)).width + 16 + LEGEND_GAP;
      if (taken && taken + own > width) [rows, taken] = [rows + 1, 0];
      taken += own;
    }
    return rows;
  };

  const draw = () => {
    if (!chart) return;
    chart.getDom().style.height = `${CHART_HEIGHT + legendRows() * LEGEND_ROW}px`;
    chart.resize();
    const money = data.currency ? { style: "currency", currency: data.currency } : {};
    const compact = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1, ...money });
    // Below five the lines of the grid lie at halves: then each has its cents.
    const highest = Math.max(...data.days.map((_, n) => data.series.reduce((sum, { values }) => sum + Number(values[n]), 0)));
    // What is less than a cent or so keeps two digits that say something.
    const places = highest > 0 && highest < 0.1 ? Math.min(10, Math.ceil(-Math.log10(highest)) + 1) : 2;
    const parts = data.currency && places > 2 ? { minimumFractionDigits: places, maximumFractionDigits: places } : {};
    const small = new Intl.NumberFormat("en-US", { ...money, ...parts, trailingZeroDisplay: highest < 5 ? "auto" : "stripIfInteger" });
    const short = (value) => (data.currency && Math.abs(value) < 1000 ? small : compact).format(value);
    const full = new Intl.NumberFormat("en-US", data.currency ? { ...money, ...parts } : { maximumFractionDigits: 2 });
    const soft = token("--ink-soft");
    const legend = legendRows();
    const type = { fontFamily: getComputedStyle(document.body).fontFamily, color: soft, fontSize: 12 };
    chart.setOption({
      animation: !matchMedia("(prefers-reduced-motion: reduce)").matches,
      animationDuration: 200,
      aria: { enabled: true, label: { description: data.title } },
      textStyle: type,
      grid: { left: 8, right: 8, top: 16, bottom: 54 + legend * LEGEND_ROW, containLabel: true },
      tooltip: { trigger: "axis", renderMode: "richText", axisPointer: { type: "shadow" }, backgroundColor: token("--paper"),
        borderColor: token("--rule-strong"), textStyle: { ...type, color: token("--ink") },
        valueFormatter: (value) => full.format(value), order: "valueDesc" },
      legend: { bottom: 32, icon: "rect", itemWidth: 10, itemHeight: 10, itemGap: LEGEND_GAP, textStyle: type, formatter: shown },
      dataZoom: [{ type: "inside", zoomOnMouseWheel: "ctrl" }, { type: "slider", height: 18, bottom: 4, borderColor: token("--rule"),
        textStyle: type, fillerColor: token("--accent-paper"), handleStyle: { color: token("--accent") }, showDetail: false,
        brushSelect: false, dataBackground: { lineStyle: { color: token("--rule-strong") }, areaStyle: { color: token("--rule") } } }],
      xAxis: { type: "category", data: data.days.map(day), axisLine: { lineStyle: { color: token("--rule-strong") } },
        axisTick: { show: false }, axisLabel: type },
      yAxis: { type: "value", splitLine: { lineStyle: { color: token("--rule") } }, axisLabel: { ...type, formatter: short } },
      series: data.series.map((series) => ({
        name: series.name, type: "bar", stack: "all", barCategoryGap: "22%", emphasis: { focus: "series" },
        itemStyle: { color: token(series.hue ? `--hue-${series.hue}` : "--hue-other"), opacity: [1, 0.6, 0.35][series.tone - 1] },
        data: series.values.map(Number),
      })),
    });
  };

  const begin = () => {
    const place = document.querySelector("[data-explorer]");
    if (typeof echarts === "undefined" || (chart && place?.contains(chart.getDom()))) return;
    chart?.dispose();
    chart = null;
    if (!place) return;
    data = JSON.parse(document.getElementById(place.dataset.explorer).textContent);
    if (!data.series.length) return;
    const canvas = place.querySelector("[data-explorer-canvas]");
    canvas.hidden = false;
    for (const still of place.querySelectorAll("[data-explorer-still] :is(.chart-body, .legend)")) still.hidden = true;
    place.querySelector("[data-explorer-still] figcaption").after(canvas);
    chart = echarts.init(canvas, null, { renderer: "svg" });
    chart.on("click", (point) => { if (data.href) location.href = data.href + data.days[point.dataIndex]; });
    draw();
  };

  begin();
  document.addEventListener("htmx:afterSwap", begin);
  addEventListener("resize", draw);
  document.addEventListener("burnline:theme", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
