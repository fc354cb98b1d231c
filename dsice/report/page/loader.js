// Unpacks the styles and the script of the page. Their hashes stand in the policy of the page, so the
// browser takes exactly these two and nothing else.

(async () => {
  const packed = document.getElementById("packed").textContent;
  const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const parts = (await new Response(stream).text()).split("\0");
  for (const [tag, text] of [["style", parts[0]], ["script", parts[1]]]) {
    const node = document.createElement(tag);
    node.textContent = text;
    document.head.append(node);
  }
})().catch((error) => {
  document.getElementById("page").textContent = `This report needs a browser of 2023 or later: ${error}`;
});
