// @ts-check
/**
 * Pretend people for the pictures in the README: drawn scenes instead of the test pattern of the pretend camera.
 * `drawnCamera` runs inside the page, before anything else, and so may use nothing from outside itself.
 */

/**
 * @typedef {object} Look
 * @property {[string, string]} wall colours of the wall, left above to right below
 * @property {string} skin
 * @property {string} hair
 * @property {string} top colour of the clothes
 * @property {'short' | 'long' | 'bun' | 'curls'} cut
 * @property {'window' | 'shelf' | 'plant' | 'lamp'} room
 * @property {boolean} glasses
 * @property {boolean} speaks
 */

/** @type {Record<string, Look>} */
export const LOOKS = {
  ada: { wall: ['#e8c9a6', '#c78f68'], skin: '#f0c3a0', hair: '#5a2f1d', top: '#2f5d62', cut: 'long', room: 'plant', glasses: false, speaks: true },
  bo: { wall: ['#bcd2d8', '#7d9fae'], skin: '#8d5a3c', hair: '#1f1613', top: '#e2a13b', cut: 'short', room: 'window', glasses: true, speaks: false },
  mei: { wall: ['#d9d3ea', '#a99bcb'], skin: '#f3cfae', hair: '#221a1d', top: '#c8553d', cut: 'bun', room: 'shelf', glasses: false, speaks: false },
  ines: { wall: ['#4b4453', '#2d2833'], skin: '#d49a72', hair: '#3a2318', top: '#7aa37a', cut: 'curls', room: 'lamp', glasses: false, speaks: false },
};

/** Replaces `getUserMedia` by a drawing of a person and, for whoever speaks, something like a voice. */
export function drawnCamera(/** @type {Look} */ look) {
  const canvas = document.createElement('canvas');
  canvas.width = 1280;
  canvas.height = 720;
  const ctx = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));

  const disc = (/** @type {number} */ x, /** @type {number} */ y, /** @type {number} */ rx, ry = rx) => {
    ctx.beginPath();
    ctx.ellipse(x, y, rx, ry, 0, 0, Math.PI * 2);
    ctx.fill();
  };
  const block = (/** @type {number} */ x, /** @type {number} */ y, /** @type {number} */ w, /** @type {number} */ h, r = 0) => {
    ctx.beginPath();
    ctx.roundRect(x, y, w, h, r);
    ctx.fill();
  };

  const rooms = {
    window: () => {
      const sky = ctx.createLinearGradient(0, 60, 0, 430);
      sky.addColorStop(0, '#f9e3c0');
      sky.addColorStop(1, '#f4b183');
      ctx.fillStyle = '#f4efe6';
      block(830, 50, 350, 400, 14);
      ctx.fillStyle = sky;
      block(850, 70, 310, 360, 6);
      ctx.fillStyle = '#6f8f8a';
      disc(920, 450, 120, 70);
      disc(1090, 470, 130, 100);
      ctx.fillStyle = '#f4efe6';
      block(998, 60, 14, 380);
      block(840, 240, 330, 14);
      block(810, 430, 390, 34, 8);
    },
    shelf: () => {
      for (const [y, hues] of /** @type {[number, number[]][]} */ ([[180, [12, 40, 205, 160, 340, 28]], [350, [260, 190, 20, 45, 140, 350]]])) {
        hues.forEach((hue, index) => {
          ctx.fillStyle = `hsl(${hue} 38% ${52 + (index % 3) * 8}%)`;
          const height = 92 + ((index * 37) % 34);
          block(110 + index * 46, y - height, 36, height, 4);
        });
        ctx.fillStyle = '#7d6a55';
        block(80, y, 330, 14, 4);
      }
      ctx.fillStyle = '#f6efe2';
      block(930, 90, 210, 250, 8);
      ctx.fillStyle = '#e0a458';
      disc(1035, 190, 52);
      ctx.fillStyle = '#5c7f88';
      block(950, 230, 170, 90, 4);
    },
    plant: () => {
      ctx.fillStyle = '#fff4e3';
      block(150, 70, 230, 300, 10);
      ctx.fillStyle = '#d98e5f';
      disc(265, 190, 70);
      ctx.fillStyle = '#8d5a4a';
      block(170, 250, 190, 100, 6);
      ctx.fillStyle = '#4f7a57';
      for (const [angle, length] of [[-1.1, 190], [-0.6, 250], [-0.15, 280], [0.35, 250], [0.85, 200]]) {
        ctx.save();
        ctx.translate(1080, 560);
        ctx.rotate(/** @type {number} */ (angle));
        disc(0, -(/** @type {number} */ (length)) / 2, 40, /** @type {number} */ (length) / 2);
        ctx.restore();
      }
      ctx.fillStyle = '#f3e7d6';
      block(1000, 540, 160, 200, 16);
    },
    lamp: () => {
      const glow = ctx.createRadialGradient(240, 250, 20, 240, 250, 430);
      glow.addColorStop(0, 'rgb(255 205 130 / 75%)');
      glow.addColorStop(1, 'rgb(255 205 130 / 0%)');
      ctx.fillStyle = glow;
      ctx.fillRect(0, 0, 1280, 720);
      ctx.fillStyle = '#ffdfa6';
      ctx.beginPath();
      ctx.moveTo(180, 180);
      ctx.lineTo(300, 180);
      ctx.lineTo(345, 320);
      ctx.lineTo(135, 320);
      ctx.fill();
      ctx.fillStyle = '#8a7a68';
      block(234, 320, 12, 420);
      ctx.fillStyle = '#5d5568';
      block(920, 120, 230, 170, 10);
      ctx.fillStyle = '#c98b6b';
      disc(1000, 205, 34);
      ctx.fillStyle = '#7f9aa8';
      disc(1075, 215, 46);
    },
  };

  const draw = (/** @type {number} */ ms) => {
    const t = ms / 1000;
    const wall = ctx.createLinearGradient(0, 0, 1280, 720);
    wall.addColorStop(0, look.wall[0]);
    wall.addColorStop(1, look.wall[1]);
    ctx.fillStyle = wall;
    ctx.fillRect(0, 0, 1280, 720);
    rooms[look.room]();

    const sway = Math.sin(t * 0.7) * 7;
    const breath = Math.sin(t * 1.3) * 4;
    ctx.save();
    ctx.translate(640 + sway, 40 + breath);

    // Behind the head.
    ctx.fillStyle = look.hair;
    if (look.cut === 'long') {
      disc(0, 250, 172, 190);
      block(-172, 250, 344, 260, 60);
    }
    if (look.cut === 'bun') disc(10, 88, 70);
    if (look.cut === 'curls') for (let i = 0; i < 14; i += 1) disc(Math.cos(i * 0.45 + 2.45) * 165, 260 + Math.sin(i * 0.45 + 2.45) * 165, 62);

    // Shoulders and neck.
    ctx.fillStyle = look.top;
    ctx.beginPath();
    ctx.moveTo(-330, 700);
    ctx.bezierCurveTo(-320, 540, -220, 500, -90, 476);
    ctx.lineTo(90, 476);
    ctx.bezierCurveTo(220, 500, 320, 540, 330, 700);
    ctx.fill();
    ctx.fillStyle = `color-mix(in oklab, ${look.skin}, #40180a 16%)`;
    block(-58, 380, 116, 110, 30);
    disc(0, 478, 88, 44);

    // Head, ears, face.
    ctx.fillStyle = look.skin;
    disc(-140, 282, 24, 34);
    disc(140, 282, 24, 34);
    disc(0, 268, 138, 168);
    ctx.fillStyle = look.hair;
    ctx.beginPath();
    ctx.moveTo(-146, 262);
    ctx.bezierCurveTo(-160, 90, -70, 76, 0, 78);
    ctx.bezierCurveTo(90, 76, 160, 100, 146, 262);
    ctx.bezierCurveTo(132, 190, 96, 168, 30, 170);
    ctx.bezierCurveTo(-40, 174, -118, 190, -146, 262);
    ctx.fill();

    for (const side of [-1, 1]) {
      ctx.fillStyle = '#2a1c16';
      disc(side * 54, 276, 12, 14);
      ctx.strokeStyle = look.hair;
      ctx.lineWidth = 9;
      ctx.lineCap = 'round';
      ctx.beginPath();
      ctx.moveTo(side * 32, 238);
      ctx.quadraticCurveTo(side * 56, 226, side * 82, 240);
      ctx.stroke();
      ctx.fillStyle = 'rgb(220 90 70 / 16%)';
      disc(side * 84, 326, 30, 22);
      if (look.glasses) {
        ctx.strokeStyle = '#2b2522';
        ctx.lineWidth = 7;
        ctx.beginPath();
        ctx.roundRect(side * 54 - 44, 240, 88, 72, 30);
        ctx.stroke();
      }
    }
    if (look.glasses) {
      ctx.beginPath();
      ctx.moveTo(-10, 268);
      ctx.lineTo(10, 268);
      ctx.stroke();
    }
    ctx.strokeStyle = 'rgb(70 25 10 / 30%)';
    ctx.lineWidth = 7;
    ctx.beginPath();
    ctx.moveTo(0, 284);
    ctx.quadraticCurveTo(16, 326, -4, 330);
    ctx.stroke();
    const open = look.speaks ? 12 + Math.abs(Math.sin(t * 7)) * 20 : 0;
    ctx.fillStyle = '#8c2f2c';
    ctx.strokeStyle = '#9c4339';
    ctx.lineWidth = 8;
    ctx.beginPath();
    ctx.moveTo(-42, 366);
    ctx.quadraticCurveTo(0, 386 + open, 42, 366);
    if (open) {
      ctx.quadraticCurveTo(0, 374, -42, 366);
      ctx.fill();
    }
    ctx.stroke();
    ctx.restore();
  };
  draw(1200);
  setInterval(() => draw(performance.now()), 66);

  navigator.mediaDevices.getUserMedia = async (wanted = {}) => {
    const tracks = [];
    if (wanted.video) tracks.push(...canvas.captureStream(15).getVideoTracks());
    if (wanted.audio) {
      const audio = new AudioContext();
      const sink = audio.createMediaStreamDestination();
      if (look.speaks) {
        const voice = new OscillatorNode(audio, { type: 'sawtooth', frequency: 165 });
        const loudness = new GainNode(audio, { gain: 0.22 });
        const syllables = new OscillatorNode(audio, { frequency: 3.1 });
        const swing = new GainNode(audio, { gain: 0.14 });
        voice.connect(loudness).connect(sink);
        syllables.connect(swing).connect(loudness.gain);
        voice.start();
        syllables.start();
      }
      tracks.push(...sink.stream.getAudioTracks());
    }
    return new MediaStream(tracks);
  };
}
