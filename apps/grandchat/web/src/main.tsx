import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { BrowserRouter } from 'react-router';
import { App } from './app/app.tsx';
import { Chat } from './app/chat.ts';
import { ChatContext } from './app/context.ts';
import './styles/base.css';
import './styles/layout.css';
import './styles/room.css';
import './styles/dialogs.css';

const chat = new Chat();
void chat.start();

createRoot(document.getElementById('root') as HTMLElement).render(
  <StrictMode>
    <ChatContext value={chat}>
      <BrowserRouter>
        <App />
      </BrowserRouter>
    </ChatContext>
  </StrictMode>,
);
