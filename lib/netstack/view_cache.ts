/** The `DataView` over an array's whole buffer, made once for as long as packets come in the same buffer. */

export class ViewCache {
  #view: DataView = new DataView(new ArrayBuffer(0));

  /** A view in which the bytes of `bytes` begin at `bytes.byteOffset`. */
  of(bytes: Uint8Array): DataView {
    if (this.#view.buffer !== bytes.buffer) this.#view = new DataView(bytes.buffer);
    return this.#view;
  }
}
