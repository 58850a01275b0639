// Listening to the suspect and to what it was found to be, at the same place of both.
// A recording may be mastered far louder than the one before: nobody is startled.
const LOUDEST = 0.5;
const deck = document.querySelector("#deck");
const picture = document.querySelector("svg.compared");
const players = [...(deck?.querySelectorAll("audio") ?? [])];

if (players.length) {
  const told = (name) => Number(deck.dataset[name]);
  const match = "length" in deck.dataset
    ? { from: told("from"), length: told("length"), offset: told("offset"), speed: told("speed") }
    : null;
  let current = players[0];
  let looping = false;

  const isOther = (player) => player.dataset.part === "other";
  const number = (player, name) => Number(player.dataset[name]);
  // Every place is told in the time of the suspect; a player has a clip of its recording, from one sample on.
  const begins = (player) => number(player, "from") / number(player, "rate");
  const lasts = (player) => number(player, "samples") / number(player, "rate");
  const inOwn = (player, at) => isOther(player) ? match.offset + (at - match.from) * match.speed : at;
  const place = (player) => {
    const own = begins(player) + player.currentTime;
    return isOther(player) ? match.from + (own - match.offset) / match.speed : own;
  };
  const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
  // No clip is longer than a minute.
  const load = (player, from, samples) => {
    if (from === number(player, "from") && samples === number(player, "samples")) return;
    Object.assign(player.dataset, { from, samples });
    const link = player.parentElement.querySelector("a.clip");
    link.href = player.src = `/desk/sound/${player.dataset.hash}/clip?from=${from}&samples=${samples}`;
    link.textContent = `${clock(begins(player))} to ${clock(begins(player) + lasts(player))} of ${clock(number(player, "seconds"))}`;
  };
  const loadFrom = (player, second) => {
    const rate = number(player, "rate");
    const all = Math.round(number(player, "seconds") * rate);
    const from = Math.min(Math.round(second * rate), all - 1);
    load(player, from, Math.min(60 * rate, all - from));
  };
  // The page comes with the clips of what both have.
  const matched = new Map(players.map((player) => [player, [number(player, "from"), number(player, "samples")]]));
  const seek = (player, at) => {
    const own = Math.max(0, Math.min(inOwn(player, at), number(player, "seconds")));
    const within = own - begins(player);
    // Places are told in seconds: within a hundredth of its ends it is the same clip.
    if (within > -0.01 && within < lasts(player) + 0.01) { player.currentTime = Math.max(0, within); return; }
    const plays = !player.paused;
    loadFrom(player, own);
    if (plays) player.play().catch(() => {});
  };

  const bar = document.createElement("div");
  bar.className = "choices";
  const said = document.createElement("output");
  const button = (key, text, does) => {
    const made = document.createElement("button");
    const hint = document.createElement("kbd");
    made.type = "button";
    made.dataset.sound = key;
    hint.textContent = key;
    made.append(text + " ", hint);
    made.addEventListener("click", does);
    bar.append(made);
    return made;
  };
  const say = () => {
    const does = current.error ? "cannot be played: the way to its clip says why" : current.paused ? "still" : "playing";
    said.textContent = `${current.dataset.part}, ${does}${looping ? ", looping what both have" : ""}`;
    for (const player of players) player.parentElement.classList.toggle("at", player === current);
  };

  const toggle = () => current.paused ? current.play().catch(() => {}) : current.pause();
  const change = () => {
    const other = players.find((player) => player !== current);
    if (!other) return;
    const [at, plays] = [place(current), !current.paused];
    current.pause();
    current = other;
    seek(current, at);
    if (plays) current.play().catch(() => {});
    say();
  };
  const loop = () => {
    looping = !looping;
    looper.setAttribute("aria-pressed", String(looping));
    const plays = !current.paused;
    // What both have is a clip of its own: its last sample is followed by its first one.
    for (const player of players) {
      player.loop = looping;
      if (looping) load(player, ...matched.get(player));
    }
    if (looping) seek(current, match.from);
    if (looping && plays) current.play().catch(() => {});
    say();
  };
  button("h", "Hear, or stop", toggle);
  if (players.length > 1 && match) button("a", "The other one", change);
  const looper = match ? button("l", "Loop what both have", loop) : null;
  looper?.setAttribute("aria-pressed", "false");
  said.setAttribute("aria-live", "polite");
  bar.append(said);
  deck.prepend(bar);

  const draw = () => {
    const head = picture?.querySelector(".head");
    if (head) {
      const wide = picture.viewBox.baseVal.width;
      const x = Math.max(0, Math.min(wide, (place(current) / Number(picture.dataset.seconds)) * wide));
      head.setAttribute("x1", x);
      head.setAttribute("x2", x);
    }
    if (!current.paused) requestAnimationFrame(draw);
  };

  for (const player of players) {
    player.volume = LOUDEST;
    player.addEventListener("volumechange", () => { if (player.volume > LOUDEST) player.volume = LOUDEST; });
    player.addEventListener("play", () => {
      current = player;
      for (const other of players) if (other !== player) other.pause();
      say();
      requestAnimationFrame(draw);
    });
    player.addEventListener("pause", say);
    player.addEventListener("seeked", () => { if (player === current) draw(); });
    // After a clip comes the next one.
    player.addEventListener("ended", () => {
      const next = begins(player) + lasts(player);
      if (player === current && next < number(player, "seconds") - 0.01) {
        loadFrom(player, next);
        player.play().catch(() => {});
      }
    });
    player.addEventListener("error", say);
  }
  picture?.addEventListener("click", (event) => {
    const box = picture.getBoundingClientRect();
    if (looping) loop();
    seek(current, ((event.clientX - box.left) / box.width) * Number(picture.dataset.seconds));
    draw();
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName)) return;
    const pressed = bar.querySelector(`button[data-sound="${CSS.escape(event.key)}"]`);
    if (!pressed) return;
    pressed.click();
    event.preventDefault();
  });
  say();
}
