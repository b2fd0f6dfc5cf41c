// How loud a stream is, from 0 to 1, several times a second, until stopped.

const FLOOR_DB = -60;

export function measureLevel(stream: MediaStream, told: (level: number) => void): () => void {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 1024;
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    let sum = 0;
    for (const sample of samples) sum += sample * sample;
    const decibels = 10 * Math.log10(sum / samples.length + 1e-12);
    told(Math.min(1, Math.max(0, 1 - decibels / FLOOR_DB)));
  }, 100);
  return () => {
    clearInterval(timer);
    void context.close();
  };
}
