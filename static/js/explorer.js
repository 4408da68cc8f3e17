// The usage chart, to zoom into and to switch names on and off. Without this file, or without ECharts, the chart
// that the server drew stays. A sheet that was swapped in brings its own chart.
(() => {
  const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const month = new Intl.DateTimeFormat("en-US", { month: "short", timeZone: "UTC" });
  const day = (text) => `${Number(text.slice(8))} ${month.format(new Date(text))}`;
  let chart = null;
  let data = null;

  const draw = () => {
    if (!chart) return;
    const money = data.currency ? { style: "currency", currency: data.currency } : {};
    const compact = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1, ...money });
    const small = new Intl.NumberFormat("en-US", { ...money, trailingZeroDisplay: "stripIfInteger" });
    const short = (value) => (data.currency && Math.abs(value) < 1000 ? small : compact).format(value);
    const full = new Intl.NumberFormat("en-US", data.currency ? money : { maximumFractionDigits: 2 });
    const soft = token("--ink-soft");
    const type = { fontFamily: getComputedStyle(document.body).fontFamily, color: soft, fontSize: 12 };
    chart.setOption({
      animation: !matchMedia("(prefers-reduced-motion: reduce)").matches,
      animationDuration: 200,
      aria: { enabled: true, label: { description: data.title } },
      textStyle: type,
      grid: { left: 8, right: 8, top: 16, bottom: 78, containLabel: true },
      tooltip: { trigger: "axis", renderMode: "richText", axisPointer: { type: "shadow" }, backgroundColor: token("--paper"),
        borderColor: token("--rule-strong"), textStyle: { ...type, color: token("--ink") },
        valueFormatter: (value) => full.format(value), order: "valueDesc" },
      legend: { bottom: 32, type: "scroll", icon: "rect", itemWidth: 10, itemHeight: 10, textStyle: type, pageTextStyle: type },
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
    place.querySelector("[data-explorer-still] figure").hidden = true;
    chart = echarts.init(canvas, null, { renderer: "svg" });
    chart.on("click", (point) => { if (data.href) location.href = data.href + data.days[point.dataIndex]; });
    draw();
  };

  begin();
  document.addEventListener("htmx:afterSwap", begin);
  addEventListener("resize", () => chart?.resize());
  document.addEventListener("burnline:theme", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
