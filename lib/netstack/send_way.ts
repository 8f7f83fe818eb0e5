/** What the owner of a stack knows of the way that segments take from us. */

export interface SendWay {
  /**
   * What the shortest queue on it holds, where whatever is lost found no room in that: such a way is a relay, which is reached by
   * TCP. `undefined`: nothing is known of its queues.
   */
  readonly queueBytes?: number;
}

export const UNKNOWN_SEND_WAY: SendWay = {};
