// Loads the page again every so many seconds while somebody looks at it.
const { lookAgain } = document.querySelector("[data-look-again]").dataset;

setInterval(() => document.hidden || location.reload(), Number(lookAgain) * 1000);
