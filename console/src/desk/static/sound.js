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
  // Every place is told in the time of the suspect.
  const place = (player) => isOther(player) ? match.from + (player.currentTime - match.offset) / match.speed : player.currentTime;
  const seek = (player, at) => {
    const own = isOther(player) ? match.offset + (at - match.from) * match.speed : at;
    player.currentTime = Math.max(0, Math.min(own, player.duration || Infinity));
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
    said.textContent = `${current.dataset.part}, ${current.paused ? "still" : "playing"}${looping ? ", looping what both have" : ""}`;
    for (const player of players) player.parentElement.classList.toggle("at", player === current);
  };

  const toggle = () => current.paused ? current.play().catch(() => { said.textContent = "This browser cannot play it."; }) : current.pause();
  const change = () => {
    const other = players.find((player) => player !== current);
    if (!other) return;
    const [at, plays] = [place(current), !current.paused];
    current.pause();
    current = other;
    seek(current, at);
    if (plays) current.play();
    say();
  };
  const loop = () => {
    looping = !looping;
    looper.setAttribute("aria-pressed", String(looping));
    if (looping) seek(current, match.from);
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
    const at = place(current);
    if (looping && (at >= match.from + match.length || at < match.from - 0.1)) seek(current, match.from);
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
    // The end of a recording may be the end of the match.
    player.addEventListener("ended", () => { if (looping && player === current) { seek(player, match.from); player.play(); } });
  }
  picture?.addEventListener("click", (event) => {
    const box = picture.getBoundingClientRect();
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
