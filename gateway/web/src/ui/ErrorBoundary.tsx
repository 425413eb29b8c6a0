import { Component, type ReactNode } from 'react';
import { Icon } from './icons';

interface Props {
  /** A change of it, such as of the page's address, tries again. */
  place: string;
  children: ReactNode;
}

interface State {
  error: Error | null;
  place: string;
}

/** Keeps one broken page from taking the rest along. */
export class ErrorBoundary extends Component<Props, State> {
  override state: State = { error: null, place: this.props.place };

  static getDerivedStateFromError(error: Error): Partial<State> {
    return { error };
  }

  static getDerivedStateFromProps(props: Props, state: State): Partial<State> | null {
    return props.place === state.place ? null : { error: null, place: props.place };
  }

  override render(): ReactNode {
    if (!this.state.error) return this.props.children;
    return (
      <section className="empty" role="alert">
        <Icon name="alert" size={36} />
        <h1>This page broke</h1>
        <p>Your recordings are safe. Reload the page; if it happens again, please report these words:</p>
        <code className="code-block">{this.state.error.message}</code>
        <button type="button" className="button button-primary" onClick={() => location.reload()}>
          Reload
        </button>
      </section>
    );
  }
}
