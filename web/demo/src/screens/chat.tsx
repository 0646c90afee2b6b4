/** The chat beside the call (over it on a phone). */
import { useSignal, useSignalEffect } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { type Chat, MESSAGE_LENGTH_MAX, type Message } from '../call/chat.ts';
import { language, wording } from '../text/language.ts';
import { hueOf, initials } from '../ui/avatar.tsx';
import { Icon } from '../ui/icon.tsx';

export function ChatPanel({ chat }: { chat: Chat }) {
  const text = wording.value;
  const messages = chat.messages.value;
  const list = useRef<HTMLOListElement>(null);
  useSignalEffect(() => {
    chat.messages.value;
    requestAnimationFrame(() => list.current?.scrollTo({ top: list.current.scrollHeight }));
  });
  return (
    <aside class="chat" aria-label={text.chat} onKeyDown={(event) => event.key === 'Escape' && chat.toggle(false)}>
      <header class="chat-head">
        <h2>{text.chat}</h2>
        <button type="button" class="round round-quiet" aria-label={text.closeChat} title={text.closeChat} onClick={() => chat.toggle(false)}>
          <Icon name="close" size={20} />
        </button>
      </header>
      {messages.length === 0 ? (
        <div class="chat-empty">
          <Icon name="chat" size={34} />
          <strong>{text.noMessages}</strong>
          <span>{text.noMessagesHint}</span>
        </div>
      ) : (
        <ol class="chat-list" ref={list} aria-live="polite">
          {messages.map((message, index) => <Line key={message.id} message={message} isFollowUp={follows(message, messages[index - 1])} />)}
        </ol>
      )}
      <Composer chat={chat} />
    </aside>
  );
}

const FOLLOW_UP_MS = 120_000;

function follows(message: Message, previous: Message | undefined): boolean {
  return previous?.identity === message.identity && message.sentAt - previous.sentAt < FOLLOW_UP_MS;
}

function Line({ message, isFollowUp }: { message: Message; isFollowUp: boolean }) {
  const time = new Intl.DateTimeFormat(language.value === 'zh' ? 'zh-CN' : 'en', { hour: 'numeric', minute: '2-digit' }).format(message.sentAt);
  return (
    <li class={`line ${message.isMine ? 'is-mine' : ''} ${isFollowUp ? 'is-follow-up' : ''}`}>
      {!message.isMine && <span class="line-face" style={{ '--hue': hueOf(message.identity) }} aria-hidden="true">{isFollowUp ? '' : initials(message.name)}</span>}
      <div class="line-body">
        {!isFollowUp && (
          <div class="line-head">
            {!message.isMine && <b>{message.name}</b>}
            <time dateTime={new Date(message.sentAt).toISOString()}>{time}</time>
          </div>
        )}
        <p class="line-text">{linked(message.text)}</p>
      </div>
    </li>
  );
}

/** Addresses in a message become links; everything else stays text. */
function linked(text: string) {
  return text.split(/(https?:\/\/[^\s<>"']+)/u).map((part, index) =>
    index % 2 === 1 ? <a key={index} href={part} target="_blank" rel="noopener noreferrer">{part}</a> : part,
  );
}

function Composer({ chat }: { chat: Chat }) {
  const words = wording.value;
  const draft = useSignal('');
  const isFailed = useSignal(false);
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => field.current?.focus({ preventScroll: true }), []);

  const send = async (event?: Event) => {
    event?.preventDefault();
    const text = draft.value.trim();
    if (text === '') return;
    draft.value = '';
    try {
      await chat.send(text);
      isFailed.value = false;
    } catch {
      draft.value = text;
      isFailed.value = true;
    }
  };
  const onKeyDown = (event: KeyboardEvent) => {
    // While an input method composes, Enter belongs to it.
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) void send(event);
  };

  return (
    <form class="composer" onSubmit={(event) => void send(event)}>
      {isFailed.value && <p class="composer-failed" role="alert">{words.notSent}</p>}
      <textarea
        ref={field}
        rows={1}
        maxLength={MESSAGE_LENGTH_MAX}
        placeholder={words.writeMessage}
        aria-label={words.writeMessage}
        value={draft.value}
        onInput={(event) => (draft.value = event.currentTarget.value)}
        onKeyDown={onKeyDown}
      />
      <button type="submit" class="round round-send" aria-label={words.send} title={words.send} disabled={draft.value.trim() === ''}>
        <Icon name="send" size={20} />
      </button>
    </form>
  );
}
