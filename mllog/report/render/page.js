"use strict";
// The charts of a report: drawn in the colours of the page, zoomed together
// where they are over time.
(() => {
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const button = document.getElementById("theme");
  const views = new Map();
  const root = document.documentElement;

  const isDark = () =>
    root.dataset.theme ? root.dataset.theme === "dark" : dark.matches;

  // Okabe and Ito's colours, as dark or as light as the background asks for
  const colors = () =>
    isDark()
      ? ["#5cb6f2", "#f0a030", "#3ecf9e", "#e59ac5", "#f3e35e", "#ff8a5c"]
      : ["#0868ac", "#c25e00", "#00805c", "#b04a86", "#7a6a00", "#9a3412"];

  const color = (name) => getComputedStyle(root).getPropertyValue(name).trim();

  const params = () => [
    { name: "c0", value: colors()[0] },
    ...["good", "bad", "warn", "dim"].map((name) => ({
      name,
      value: color(`--${name}`),
    })),
  ];

  const config = () => {
    const [ink, dim, line] = ["--ink", "--dim", "--line"].map(color);
    const font = getComputedStyle(document.body).fontFamily;
    return {
      background: null,
      font,
      padding: 4,
      view: { stroke: null },
      range: { category: colors() },
      axis: {
        labelColor: dim, titleColor: dim, domainColor: line, tickColor: line,
        gridColor: line, gridOpacity: 0.6, labelFontSize: 12,
        titleFontSize: 12, titleFontWeight: "normal", labelPadding: 5,
      },
      axisX: { grid: false },
      legend: {
        labelColor: ink, titleColor: dim, orient: "top", title: null,
        labelFontSize: 12, symbolType: "square", labelLimit: 220,
        columns: root.clientWidth < 520 ? 2 : 4,
      },
    };
  };

  const known = ({ spec }) => ({
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    width: "container",
    height: 220,
    autosize: { type: "fit-x", contains: "padding" },
    ...spec,
    params: [...params(), ...(spec.params || [])],
  });

  const zoomTo = (name, domain) => {
    const { view } = views.get(name);
    view.signal("zoom_x", domain).runAsync();
  };

  // only the chart under the pointer or the focus moves the others: what they
  // say when they have moved may be older than what it shows by then
  let active = null;
  const share = (name, domain) => {
    if (name !== active) return;
    for (const [other, { chart }] of views)
      if (other !== name && chart.time) zoomTo(other, domain);
  };

  const draw = async (name, chart) => {
    const element = document.getElementById(`chart-${name}`);
    const before = views.get(name);
    const domain = before && chart.zoom ? before.view.signal("zoom_x") : null;
    if (before) before.finalize();
    const made = await vegaEmbed(element, known(chart), {
      mode: "vega-lite",
      renderer: "svg",
      actions: false,
      ast: true,
      defaultStyle: false,
      config: config(),
      tooltip: { theme: "page", disableDefaultStyle: true },
    });
    views.set(name, { view: made.view, chart, finalize: made.finalize });
    element.dataset.drawn = isDark() ? "dark" : "light";
    if (!chart.zoom) return;
    if (chart.time)
      made.view.addSignalListener("zoom_x", (_, value) => share(name, value));
    if (domain) zoomTo(name, domain);
  };

  const zoomBy = (name, factor) => {
    const { view } = views.get(name);
    if (!factor) return zoomTo(name, null);
    const scale = view.scale("x");
    const [from, to] = scale.domain().map(Number);
    if (scale.type === "log") {
      const middle = (Math.log(from) + Math.log(to)) / 2;
      const half = ((Math.log(to) - Math.log(from)) / 2) * factor;
      return zoomTo(name, [Math.exp(middle - half), Math.exp(middle + half)]);
    }
    const middle = (from + to) / 2;
    const half = ((to - from) / 2) * factor;
    return zoomTo(name, [middle - half, middle + half]);
  };

  const failed = (name, error) => {
    const element = document.getElementById(`chart-${name}`);
    element.textContent = `This chart cannot be drawn: ${error}`;
    element.dataset.drawn = "failed";
  };

  const drawAll = async () => {
    button.textContent = isDark() ? "Light" : "Dark";
    for (const [name, chart] of Object.entries(charts))
      await draw(name, chart).catch((error) => failed(name, error));
    document.body.dataset.drawn = isDark() ? "dark" : "light";
  };

  for (const [name, chart] of Object.entries(charts)) {
    if (!chart.zoom) continue;
    const figure = document.getElementById(`figure-${name}`);
    for (const event of ["pointerenter", "pointerdown", "focusin"])
      figure.addEventListener(event, () => { active = name; });
    const zoom = figure.querySelector(".zoom");
    zoom.hidden = false;
    zoom.addEventListener("click", ({ target }) => {
      if (target.dataset.zoom) zoomBy(name, Number(target.dataset.zoom));
    });
  }
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    drawAll();
  });
  dark.addEventListener("change", drawAll);
  drawAll();
})();
