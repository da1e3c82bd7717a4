/** Seed 004 wants a quote per login. These are free of copyright. */
const QUOTES = [
  'Love is energy of life.', // Robert Browning, as the document has it
  'You have to separate the chaff from the wheat.',
  'The unexamined life is not worth living.', // Socrates
  'No man ever steps in the same river twice.', // Heraclitus
  'Well begun is half done.', // Aristotle
  'Know thyself.', // inscription at Delphi
  'Nothing in excess.', // inscription at Delphi
  'Fortune favours the bold.', // Virgil
  'Seize the day.', // Horace
  'He who has begun has half done.', // Horace
  'While we teach, we learn.', // Seneca
  'While we are postponing, life speeds by.', // Seneca
  'The soul becomes dyed with the colour of its thoughts.', // Marcus Aurelius
  'The best revenge is not to be like your enemy.', // Marcus Aurelius
  'A journey of a thousand miles begins with a single step.', // Laozi
  'To see what is right and not to do it is want of courage.', // Confucius
  'Who will guard the guards themselves?', // Juvenal
  'If I have seen further, it is by standing on the shoulders of giants.', // Isaac Newton
  'Knowledge itself is power.', // Francis Bacon
  'I think, therefore I am.', // René Descartes
  'The heart has its reasons, of which reason knows nothing.', // Blaise Pascal
  'All is for the best in the best of all possible worlds.', // Voltaire, of Pangloss
  'We must cultivate our garden.', // Voltaire
  'Three may keep a secret, if two of them are dead.', // Benjamin Franklin
  'Little strokes fell great oaks.', // Benjamin Franklin
  'Brevity is the soul of wit.', // William Shakespeare
  'The better part of valour is discretion.', // William Shakespeare
  'To err is human, to forgive divine.', // Alexander Pope
  'A thing of beauty is a joy for ever.', // John Keats
  'Whatever you can do, or dream you can, begin it.', // after Goethe, John Anster
  'A foolish consistency is the hobgoblin of little minds.', // Ralph Waldo Emerson
  'Our life is frittered away by detail. Simplify, simplify.', // Henry David Thoreau
  'Hope is the thing with feathers that perches in the soul.', // Emily Dickinson
  'The secret of getting ahead is getting started.', // proverb
  'Happy families are all alike; every unhappy family is unhappy in its own way.', // Leo Tolstoy
  'The Analytical Engine weaves algebraical patterns.', // Ada Lovelace
] as const;

export const anyQuote = (): string =>
  QUOTES[Math.floor(Math.random() * QUOTES.length)] ?? QUOTES[0];
