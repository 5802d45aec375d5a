// Decodes, restores and encodes pictures away from the page, which stays alive meanwhile.
//
// In:  a picture (Blob).
// Out: {ready: facts} once; then for each picture {done, total} after each tile, and at the end
//      {restored: Blob}. {problem: string} whenever something cannot be done.
import { restore } from "./restore.js";

const MOST_MEGAPIXELS = 64; // a browser's canvas and the memory of a tab end somewhere beyond
const MOST_THREADS = 8;

/** What a person can do something about; its message says what. */
class Problem extends Error {}

const model = openModel();
model.then(({ facts }) => postMessage({ ready: facts }), report);

self.onmessage = async ({ data: file }) => {
  try {
    const { network, facts } = await model;
    const canvas = await decode(file);
    const { width, height } = canvas;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    const picture = context.getImageData(0, 0, width, height);
    refuseTransparency(picture.data);
    await restore(picture.data, height, width, network, facts, (done, total) =>
      postMessage({ done, total }),
    );
    context.putImageData(picture, 0, 0);
    postMessage({ restored: await canvas.convertToBlob({ type: "image/png" }) });
  } catch (error) {
    report(error);
  }
};

/** Returns the network as a function, and its facts. */
async function openModel() {
  const facts = await (await download("model.json")).json();
  const bytes = new Uint8Array(await (await download(facts.file)).arrayBuffer());
  const ort = await import("./ort/ort.wasm.bundle.min.mjs").catch(() => {
    throw new Problem("ort/ort.wasm.bundle.min.mjs is missing: assemble the page with build.py.");
  });
  ort.env.wasm.wasmPaths = { wasm: new URL("ort/ort-wasm-simd-threaded.wasm", import.meta.url) };
  // More than one thread needs shared memory, which browsers give to isolated pages alone.
  const threads = self.crossOriginIsolated ? navigator.hardwareConcurrency : 1;
  ort.env.wasm.numThreads = Math.min(threads, MOST_THREADS);
  const session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
  const network = async (luma, height, width) => {
    const image = new ort.Tensor("float32", luma, [1, 1, height, width]);
    const { restored } = await session.run({ image });
    return restored.data;
  };
  return { network, facts };
}

async function download(name) {
  const response = await fetch(new URL(name, import.meta.url));
  if (!response.ok) {
    throw new Problem(`${name} is missing (${response.status}): assemble the page with build.py.`);
  }
  return response;
}

/** Returns a canvas with the picture as people see it: upright, in sRGB. */
async function decode(file) {
  if (file.size === 0) throw new Problem("The file is empty. Choose a JPEG.");
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Problem(
      "This is not a picture that the browser can read, or it is damaged. Choose a JPEG.",
    );
  }
  const { width, height } = bitmap;
  if (width * height > MOST_MEGAPIXELS * 1e6) {
    throw new Problem(
      `The picture has ${Math.round((width * height) / 1e6)} megapixels, and this page takes up ` +
        `to ${MOST_MEGAPIXELS}. Use the argan command, which takes any size.`,
    );
  }
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d", { willReadFrequently: true }).drawImage(bitmap, 0, 0);
  bitmap.close();
  return canvas;
}

/** A canvas multiplies colours by alpha and rounds: what it gives back would not be the picture. */
function refuseTransparency(pixels) {
  for (let alpha = 3; alpha < pixels.length; alpha += 4) {
    if (pixels[alpha] !== 255) {
      throw new Problem(
        "The picture is transparent in places, which no JPEG is and a browser's canvas cannot " +
          "keep. Use the argan command, which can.",
      );
    }
  }
}

function report(error) {
  const problem =
    error instanceof Problem ? error.message : `The browser could not do it: ${error.message}`;
  postMessage({ problem });
}
