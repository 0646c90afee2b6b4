/** Entry of the demo: styles, language, appearance, then the page. */
import { render } from 'preact';
import '@fontsource-variable/figtree/wght.css';
import './look/tokens.css';
import './look/base.css';
import './look/start.css';
import './look/call.css';
import './look/chat.css';
import { startTheme } from './look/theme.ts';
import { App } from './screens/app.tsx';
import { startLanguage } from './text/language.ts';
import { Visit } from './visit.ts';

startLanguage();
startTheme();
const visit = new Visit();
render(<App visit={visit} />, document.getElementById('app')!);
void visit.begin();
