// xterm.js writes <style> elements and style attributes, which our content security policy forbids,
// for good reason. What scripts do to style objects it allows. So on a page with a terminal, and
// only there, both go that way: a <style> that a script makes is an adopted stylesheet in disguise.
const create = document.createElement.bind(document);
document.createElement = (name, options) => (name === "style" ? disguised() : create(name, options));

function disguised() {
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets.push(sheet);
  const element = create("span");
  element.hidden = true;
  Object.defineProperty(element, "textContent", { set: (rules) => sheet.replaceSync(rules) });
  return element;
}

const { setAttribute } = Element.prototype;
Element.prototype.setAttribute = function (name, value) {
  if (name === "style") this.style.cssText = value;
  else setAttribute.call(this, name, value);
};
