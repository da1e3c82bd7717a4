// The page of a mailed link: reads the token in the fragment, clears it, and posts it as JSON.
const form = document.querySelector('form');
const button = form.querySelector('button');
const password = form.querySelector('#password');
const note = document.querySelector('#note');
let token = null;

function say(text, isFault = false) {
  note.textContent = text;
  note.classList.toggle('fault', isFault);
}

// Another link may be opened in the same tab: only the fragment changes then.
function readToken() {
  const found = new URLSearchParams(location.hash.slice(1)).get('token');
  if (location.hash !== '') {
    // The token must not stay in the address bar, the history or a bookmark.
    history.replaceState(null, '', location.pathname);
    token = found;
  }
  form.hidden = !token;
  say(token ? '' : 'Open the link in your mail. It is not kept here, so reloading does not help.');
  if (token) password?.focus();
}

function explain(problem, answer) {
  if (problem.code?.endsWith('_token_invalid')) {
    form.hidden = true;
    return form.dataset.invalid;
  }
  const seconds = answer.headers.get('retry-after');
  const detail = problem.detail ?? `The server answered ${answer.status}.`;
  return seconds === null ? detail : `${detail} Try again in ${seconds} s.`;
}

async function post() {
  const answer = await fetch(form.action, {
    method: 'POST',
    credentials: 'omit',
    referrerPolicy: 'no-referrer',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token, ...Object.fromEntries(new FormData(form)) }),
  });
  if (!answer.ok) return say(explain(await answer.json().catch(() => ({})), answer), true);
  token = null;
  form.reset();
  if (password) password.type = 'password';
  form.hidden = true;
  say(form.dataset.done);
}

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  if (!token || button.disabled) return;
  button.disabled = true;
  say('One moment ...');
  try {
    await post();
  } catch {
    say('The server could not be reached. Try again.', true);
  }
  button.disabled = false;
});

form.querySelector('#show')?.addEventListener('change', ({ target }) => {
  password.type = target.checked ? 'text' : 'password';
});

addEventListener('hashchange', readToken);
readToken();
