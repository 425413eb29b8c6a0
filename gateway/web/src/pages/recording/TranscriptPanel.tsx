import { Fragment, memo, type MouseEvent, useEffect, useMemo, useRef, useState } from 'react';
import { captionsUrl, type TranscriptFile } from '../../api/endpoints';
import type { Media, Segment, Transcript, Word } from '../../api/types';
import { clock } from '../../format/time';
import { usePlayer, usePosition } from '../../media/player';
import { useTranscript } from '../../media/queries';
import { indexAt, type Match, matches, wordAt } from '../../transcript/text';
import { Trouble } from '../../ui/Away';
import { Icon } from '../../ui/icons';
import { Menu } from '../../ui/Menu';
import { useStored } from '../../ui/stored';
import { EditBar } from './EditBar';
import { SegmentEditor } from './SegmentEditor';
import { SpeakerMenu } from './SpeakerMenu';
import { type Changes, useTranscriptChanges } from './transcriptChanges';

const FILES: [TranscriptFile, string][] = [
  ['txt', 'Text'],
  ['md', 'Markdown'],
  ['vtt', 'Captions for the web (VTT)'],
  ['srt', 'Subtitles for editors (SRT)'],
  ['ass', 'Styled subtitles (ASS)'],
  ['ttml', 'Broadcast captions (TTML)'],
  ['words.json', 'Every word with its time (JSON)'],
];

/** What was said: click a word to hear it. */
export function TranscriptPanel({ media }: { media: Media }) {
  const { data, error } = useTranscript(media);
  return (
    <section className="transcript" aria-labelledby="transcript-title">
      {data ? (
        <Reader transcript={data} />
      ) : (
        <>
          <h2 id="transcript-title">Transcript</h2>
          {error && media.transcript ? <Trouble what="The transcript is" error={error} /> : <p className="panel-note">{waitingFor(media)}</p>}
        </>
      )}
    </section>
  );
}

function waitingFor(media: Media): string {
  if (media.transcript) return 'Loading…';
  return media.problem ? 'There is none for this recording.' : 'It appears here once the recording is transcribed.';
}

function Reader({ transcript }: { transcript: Transcript }) {
  const { segments } = transcript;
  const [query, setQuery] = useState('');
  const [step, setStep] = useState(0);
  const [follow, setFollow] = useStored('clipstead.follow', true);
  const [editing, setEditing] = useState(false);
  const changes = useTranscriptChanges(transcript);
  const found = useMemo(() => matches(segments, query), [segments, query]);
  const chosen = found.length > 0 ? found[((step % found.length) + found.length) % found.length] : undefined;

  return (
    <>
      <header className="transcript-head">
        <h2 id="transcript-title">Transcript</h2>
        <label className="toggle">
          <input type="checkbox" checked={follow} onChange={(event) => setFollow(event.target.checked)} />
          Follow
        </label>
        {transcript.complete && (
          <button
            type="button"
            className="icon-button"
            aria-label="Edit the transcript"
            aria-pressed={editing}
            onClick={() => setEditing(!editing)}
          >
            <Icon name={editing ? 'check' : 'edit'} />
          </button>
        )}
        <Menu label="Download the transcript" button={<Icon name="download" />}>
          {FILES.map(([format, title]) => (
            <a key={format} className="menu-item" href={captionsUrl(transcript.media_id, format)} download>
              {title}
            </a>
          ))}
        </Menu>
      </header>
      <SearchBar
        query={query}
        count={found.length}
        at={chosen ? found.indexOf(chosen) : -1}
        onQuery={(next) => {
          setQuery(next);
          setStep(0);
        }}
        onStep={(by) => setStep(step + by)}
      />
      {transcript.chapters.length > 1 && <Chapters transcript={transcript} />}
      {editing && <EditBar transcript={transcript} query={query} changes={changes} />}
      {!transcript.complete && (
        <p className="panel-note" role="status">
          Still listening: more comes here as it is heard, and then who speaks.
        </p>
      )}
      {segments.length === 0 ? (
        transcript.complete && <p className="panel-note">Nobody speaks in this recording.</p>
      ) : (
        <Segments
          transcript={transcript}
          found={found}
          chosen={chosen}
          follow={follow && !editing}
          changes={editing ? changes : null}
        />
      )}
    </>
  );
}

/** What it is about, part by part: a click goes there. */
function Chapters({ transcript }: { transcript: Transcript }) {
  const { chapters } = transcript;
  const player = usePlayer();
  const current = usePosition((time) => chapters.findLastIndex((chapter) => chapter.start <= time));
  return (
    <details className="chapters">
      <summary>{chapters.length} chapters</summary>
      <ol>
        {chapters.map((chapter, index) => (
          <li key={chapter.start}>
            <button
              type="button"
              className="chapter"
              aria-current={index === current ? 'true' : undefined}
              onClick={() => player.seek(chapter.start)}
            >
              <span className="chapter-time">{clock(chapter.start)}</span> {chapter.title}
            </button>
          </li>
        ))}
      </ol>
    </details>
  );
}

interface SearchBarProps {
  query: string;
  count: number;
  at: number;
  onQuery: (query: string) => void;
  onStep: (by: number) => void;
}

function SearchBar({ query, count, at, onQuery, onStep }: SearchBarProps) {
  return (
    <div className="transcript-search">
      <label className="search">
        <Icon name="search" size={16} />
        <input
          type="search"
          aria-label="Search in the transcript"
          placeholder="Search in the transcript"
          value={query}
          onChange={(event) => onQuery(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === 'Enter') onStep(event.shiftKey ? -1 : 1);
          }}
        />
      </label>
      {query.trim() && (
        <>
          <span className="count" role="status">
            {count > 0 ? `${at + 1} of ${count}` : 'not found'}
          </span>
          <button type="button" className="icon-button flip" aria-label="Previous match" onClick={() => onStep(-1)}>
            <Icon name="chevron" size={16} />
          </button>
          <button type="button" className="icon-button" aria-label="Next match" onClick={() => onStep(1)}>
            <Icon name="chevron" size={16} />
          </button>
        </>
      )}
    </div>
  );
}

interface SegmentsProps {
  transcript: Transcript;
  found: Match[];
  chosen: Match | undefined;
  follow: boolean;
  /** What can be done to them; null while they are only read. */
  changes: Changes | null;
}

function Segments({ transcript, found, chosen, follow, changes }: SegmentsProps) {
  const { segments, speakers } = transcript;
  const player = usePlayer();
  const [open, setOpen] = useState<string | null>(null); // the segment whose words are being corrected
  const list = useRef<HTMLDivElement>(null);
  const current = usePosition((time) => (time > 0 ? indexAt(segments, time) : -1));
  const word = usePosition((time) => wordAt(segments[indexAt(segments, time)]?.words ?? [], time));
  const bySegment = useMemo(() => Map.groupBy(found, (match) => match.segment), [found]);

  useEffect(() => {
    if (follow && current >= 0) reveal(list.current, current);
  }, [follow, current]);

  useEffect(() => {
    if (chosen) reveal(list.current, chosen.segment);
  }, [chosen]);

  function clicked(event: MouseEvent): void {
    const element = event.target as Element;
    const sentence = changes && element.closest('p') && element.closest<HTMLElement>('[data-segment]');
    if (sentence) {
      setOpen(sentence.dataset.segment ?? null);
      return;
    }
    const start = element.closest<HTMLElement>('[data-start]')?.dataset.start;
    if (start !== undefined) player.seek(Number(start));
  }

  return (
    // The words answer to the mouse; from the keyboard, each sentence has its own button.
    // eslint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/no-static-element-interactions
    <div className="segments" ref={list} onClick={clicked} data-testid="transcript">
      {segments.map((segment, index) => {
        const tone = speakers.findIndex((one) => one.label === segment.speaker) % 6;
        return changes ? (
          <div key={segment.id} className={`segment speaker-${tone}`} data-segment={segment.id}>
            <SpeakerMenu segment={segment} speakers={speakers} changes={changes} />
            <TimeButton start={segment.start} />
            {open === segment.id ? (
              <SegmentEditor
                segment={segment}
                last={index === segments.length - 1}
                changes={changes}
                onClose={() => setOpen(null)}
              />
            ) : (
              <Words segment={segment} word={index === current ? word : null} marks={bySegment.get(index)} />
            )}
          </div>
        ) : (
          <SegmentText
            key={segment.id}
            segment={segment}
            speaker={segment.speaker === segments[index - 1]?.speaker ? null : nameOf(transcript, segment.speaker)}
            tone={tone}
            word={index === current ? word : null}
            marks={bySegment.get(index)}
            chosen={chosen?.segment === index ? chosen : undefined}
          />
        );
      })}
    </div>
  );
}

interface SegmentTextProps {
  segment: Segment;
  /** Who begins to speak here; null where the same voice goes on. */
  speaker: string | null;
  tone: number;
  /** The word that is spoken now, -1 between two; null while another sentence is. */
  word: number | null;
  marks: Match[] | undefined;
  chosen: Match | undefined;
}

const SegmentText = memo(function SegmentText({ segment, speaker, tone, word, marks, chosen }: SegmentTextProps) {
  return (
    <div className={`segment speaker-${tone}${word === null ? '' : ' segment-current'}`}>
      {speaker && <span className="speaker">{speaker}</span>}
      <TimeButton start={segment.start} />
      <Words segment={segment} word={word} marks={marks} chosen={chosen} />
    </div>
  );
});

function TimeButton({ start }: { start: number }) {
  return (
    <button type="button" className="segment-time" data-start={start} aria-label={`Play from ${clock(start)}`}>
      {clock(start)}
    </button>
  );
}

type WordsProps = Pick<SegmentTextProps, 'segment' | 'word' | 'marks'> & Partial<Pick<SegmentTextProps, 'chosen'>>;

function Words({ segment, word, marks, chosen }: WordsProps) {
  return (
    <p>
      {segment.words.map((one, index) => (
        <Fragment key={index}>
          <span className={classesOf(one, index, word, marks, chosen)} data-start={one.start}>
            {one.text}
          </span>{' '}
        </Fragment>
      ))}
    </p>
  );
}

function classesOf(one: Word, index: number, current: number | null, marks?: Match[], chosen?: Match): string {
  const inside = (match: Match) => index >= match.from && index <= match.to;
  const classes = ['word'];
  if (one.mark === 'filler') classes.push('word-filler');
  if (index === current) classes.push('word-current');
  if (marks?.some(inside)) classes.push(chosen && inside(chosen) ? 'word-chosen' : 'word-found');
  return classes.join(' ');
}

function nameOf(transcript: Transcript, label: string | null): string | null {
  return transcript.speakers.find((speaker) => speaker.label === label)?.name ?? label;
}

/** Scroll inside the list alone: the page itself stays where the person left it. */
function reveal(list: HTMLElement | null, index: number): void {
  const item = list?.children[index];
  if (!list || !(item instanceof HTMLElement)) return;
  const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
  const top = item.offsetTop - list.clientHeight / 3;
  list.scrollTo({ top, behavior: calm ? 'auto' : 'smooth' });
}
