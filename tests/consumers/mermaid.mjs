// Has Mermaid parse a flowchart; it draws in a browser only.
import fs from 'node:fs';
import { JSDOM } from 'jsdom';

const dom = new JSDOM('<body></body>');
globalThis.window = dom.window;
globalThis.document = dom.window.document;
const { default: mermaid } = await import('mermaid');

const text = fs.readFileSync(process.argv[2], 'utf8');
const parsed = await mermaid.parse(text);
if (!parsed.diagramType.startsWith('flowchart')) throw new Error(parsed.diagramType);
const { db } = await mermaid.mermaidAPI.getDiagramFromText(text);
const boxes = text.match(/^ {2}\w+[[(>]"/gm).length;
if (db.getVertices().size !== boxes) throw new Error(`${db.getVertices().size} boxes of ${boxes}`);
for (const vertex of db.getVertices().values()) {
    if (/<script|click/.test(vertex.text)) throw new Error(vertex.text);
}
