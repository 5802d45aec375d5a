// The page: takes a picture, shows what the worker says, compares, downloads.

const find = (id) => document.getElementById(id);
const [choose, status, progress, problem] = ["choose", "status", "progress", "problem"].map(find);
const [compare, before, after, split] = ["compare", "before", "after", "split"].map(find);

let worker;
let picture; // the File or Blob that is being restored, or was

/** Shows one state: loading, ready, working, done or failed. */
function show(state, text) {
  document.body.dataset.state = state;
  status.textContent = state === "failed" ? "" : text;
  problem.textContent = state === "failed" ? text : "";
}

function start() {
  worker = new Worker("worker.js", { type: "module" });
  worker.onmessage = ({ data }) => {
    if (data.ready) {
      const { name, license, summary } = data.ready;
      find("model").textContent = `Model ${name}, ${license}: ${summary}`;
      if (document.body.dataset.state === "loading") show("ready", "Ready.");
    } else if (data.problem) {
      show("failed", data.problem);
    } else if (data.restored) {
      finish(data.restored);
    } else {
      progress.max = data.total;
      progress.value = data.done;
      status.textContent = `Restoring: ${data.done} of ${data.total} tiles`;
    }
  };
  worker.onerror = (event) => {
    show("failed", `The page cannot run here: ${event.message || "worker.js did not load"}.`);
  };
}

/** Gives up what the worker does; only its end stops WebAssembly. */
function restart() {
  worker.terminate();
  start();
}

function restore(file) {
  if (!worker) return; // why there is none is on the page
  if (document.body.dataset.state === "working") restart();
  picture = file;
  progress.removeAttribute("value"); // no part is done, and how long one takes is not known
  show("working", "Restoring…");
  worker.postMessage(file);
}

function finish(restored) {
  for (const [image, blob] of [
    [before, picture],
    [after, restored],
  ]) {
    URL.revokeObjectURL(image.src);
    image.src = URL.createObjectURL(blob);
  }
  const download = find("download");
  download.href = after.src;
  download.download = `${picture.name.replace(/\.[^.]*$/, "")}-restored.png`;
  show("done", `Done: ${picture.name}`);
}

choose.addEventListener("change", () => {
  if (choose.files.length > 0) restore(choose.files[0]);
  choose.value = ""; // the same file can be chosen again
});

document.addEventListener("dragover", (event) => {
  event.preventDefault(); // or the browser would leave the page for the picture
  document.body.classList.add("dragging");
});
document.addEventListener("dragleave", () => document.body.classList.remove("dragging"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dragging");
  const { files } = event.dataTransfer;
  if (files.length === 1) {
    restore(files[0]);
  } else {
    const came = files.length === 0 ? "no file" : `${files.length} files`;
    show("failed", `Drop one picture file at a time; this was ${came}.`);
  }
});

find("sample").addEventListener("click", async () => {
  const response = await fetch("sample.jpg").catch(() => null);
  if (response?.ok) {
    restore(new File([await response.blob()], "sample.jpg", { type: "image/jpeg" }));
  } else {
    show("failed", "The sample picture did not load.");
  }
});

find("cancel").addEventListener("click", () => {
  restart();
  show("ready", "Cancelled.");
});

split.addEventListener("input", () => compare.style.setProperty("--split", `${split.value}%`));
find("actual-size").addEventListener("change", ({ target }) =>
  compare.classList.toggle("actual-size", target.checked),
);

if (location.protocol === "file:") {
  // Browsers start no worker from a file.
  show("failed", "Serve this folder and open its address: python -m http.server");
} else {
  start();
}
