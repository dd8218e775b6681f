/* Decisions on their way to the log: one at a time, in the order of the keys, none lost and none pretended. */

const SLOW = 30_000; // a server that says nothing for so long: the decision does not count as saved

export class Saver {
  /** send: job → promise of Python's answer; saved(job, answer); failed(jobs, message): these and all after them. */
  constructor(send, saved, failed, changed) {
    Object.assign(this, { send, saved, failed, changed, jobs: [], running: false });
  }

  /** How many are not in the log yet. */
  get waiting() {
    return this.jobs.length;
  }

  add(job) {
    this.jobs.push(job);
    this.changed();
    if (!this.running) this.run();
  }

  /** Resolves when nothing is on its way any more. */
  async empty() {
    while (this.running) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  async run() {
    this.running = true;
    while (this.jobs.length) {
      const job = this.jobs[0];
      let answer;
      try {
        answer = await withTimeout(this.send(job), SLOW);
      } catch (error) {
        answer = { failed: true, message: "NOT SAVED: " + String((error && error.message) || error).slice(0, 200) };
      }
      if (answer.failed) { // what was decided after it was decided in the belief that it was saved
        const jobs = this.jobs.splice(0);
        this.failed(jobs, answer.message);
      } else {
        this.jobs.shift();
        this.saved(job, answer);
      }
      this.changed();
    }
    this.running = false;
  }
}

function withTimeout(promise, ms) {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error("no answer from the server for 30 s")), ms); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
