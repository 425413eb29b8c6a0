import { facts, type Fact, type ServiceReport } from '../format/system';
import { useSystem } from '../media/queries';
import { Trouble } from '../ui/Away';
import { Icon, type IconName } from '../ui/icons';
import { usePageTitle } from '../ui/usePageTitle';
import './settings.css';

interface Room {
  service: string;
  title: string;
  note: string;
  icon: IconName;
}

const ROOMS: Room[] = [
  { service: 'transcription', title: 'Speech to text', note: 'Turns sound into words and tells voices apart.', icon: 'wave' },
  { service: 'highlight', title: 'Moments', note: 'Finds the spans worth sharing.', icon: 'spark' },
  { service: 'render', title: 'Rendering', note: 'Cuts, frames and captions clips.', icon: 'clip' },
  { service: 'ingest', title: 'Receiving', note: 'Takes uploads and imports, and checks them.', icon: 'upload' },
  { service: 'stream', title: 'Playing and sharing', note: 'Serves files to players and share links.', icon: 'link' },
  { service: 'catalog', title: 'Library', note: 'Keeps the list, and tells what happens live.', icon: 'grid' },
  { service: 'auth', title: 'Accounts', note: 'Signs people in and keeps their keys.', icon: 'key' },
];

/** What was chosen on this machine: engines, models, what stands in for what, and what would make it better. */
export function SystemPage() {
  usePageTitle('System');
  const { data, error, isPending } = useSystem();
  const known = ROOMS.filter((room) => data?.services[room.service]);
  return (
    <div className="narrow">
      <header className="page-head">
        <h1>System</h1>
        <p>What was chosen for you on this machine, why, and what would make it better.</p>
        {data?.version && <p className="count">Clipstead {data.version}</p>}
      </header>
      <Trouble what="The report is" error={error} stale={data !== undefined} />
      <div className="rooms" aria-busy={isPending}>
        {known.map((room) => (
          <RoomCard key={room.service} room={room} report={data?.services[room.service] ?? { status: 'down' }} />
        ))}
      </div>
    </div>
  );
}

function RoomCard({ room, report }: { room: Room; report: ServiceReport }) {
  const { rows, reason, improve } = facts(report);
  const down = report.status === 'down';
  return (
    <section className="panel room" aria-labelledby={`room-${room.service}`}>
      <header>
        <span className="room-icon">
          <Icon name={room.icon} size={20} />
        </span>
        <div>
          <h2 id={`room-${room.service}`}>{room.title}</h2>
          <p>{room.note}</p>
        </div>
        <span className={down ? 'chip chip-bad' : 'chip chip-good'}>{down ? 'Does not answer' : 'Works'}</span>
      </header>
      {rows.length > 0 && (
        <dl className="facts">
          {rows.map((fact) => (
            <FactRow key={fact.name} fact={fact} />
          ))}
        </dl>
      )}
      {reason && <p className="room-reason">{reason}</p>}
      {improve.length > 0 && (
        <div className="room-improve">
          <strong>How to improve it</strong>
          <ul>
            {improve.map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ul>
        </div>
      )}
    </section>
  );
}

function FactRow({ fact }: { fact: Fact }) {
  return (
    <div>
      <dt>{fact.name}</dt>
      <dd className={fact.tone}>{fact.value}</dd>
    </div>
  );
}
