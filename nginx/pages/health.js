// Shows on the front page whether the user service answers.
const state = document.querySelector('#health');
try {
  const answer = await fetch('health', { cache: 'no-store' });
  state.textContent = answer.ok ? 'answers: all is well.' : `answers ${answer.status}.`;
  state.classList.toggle('fault', !answer.ok);
} catch {
  state.textContent = 'does not answer.';
  state.classList.add('fault');
}
