import type { Media, Stage } from '../../api/types';
import { amount, fraction, progressLine, running, STAGE_TITLES, working } from '../../format/stages';
import { length } from '../../format/time';
import { Icon } from '../../ui/icons';
import { Progress } from '../../ui/Progress';

/** The way of a recording through the platform. Folded away once it has arrived. */
export function StageTimeline({ media }: { media: Media }) {
  const active = working(media) || media.problem !== null;
  const next = working(media) && !running(media) ? media.stages.find((stage) => stage.state === 'waiting') : undefined;
  return (
    <details className="stages-fold" open={active} key={String(active)}>
      <summary>
        {active ? 'What is happening' : summary(media)}
        <Icon name="chevron" size={16} />
      </summary>
      <ol className="stages" data-testid="stages">
        {media.stages.map((stage) => (
          <StageItem key={stage.name} stage={stage} next={stage === next} />
        ))}
      </ol>
      <p className="visually-hidden" role="status" aria-live="polite">
        {announcement(media)}
      </p>
    </details>
  );
}

/** `next`: nothing is at work, and this stage will be as soon as there is room for it. */
function StageItem({ stage, next }: { stage: Stage; next: boolean }) {
  const { name, state, detail } = stage;
  return (
    <li className={`stage stage-${state}`} data-stage={name} data-state={state}>
      <span className="stage-mark">
        {state === 'done' && <Icon name="check" size={14} />}
        {state === 'failed' && <Icon name="close" size={14} />}
      </span>
      <div className="stage-words">
        <strong>{STAGE_TITLES[name]}</strong>
        <span className="visually-hidden">{state}</span>
        {state === 'running' && (
          <>
            <Progress value={fraction(stage)} label={STAGE_TITLES[name]} />
            <span className="stage-note">{progressLine(stage) || 'Working…'}</span>
            {detail && <span className="stage-note">{detail}</span>}
          </>
        )}
        {state === 'done' && <span className="stage-note">{[amount(stage), taken(stage)].filter(Boolean).join(' · ')}</span>}
        {state === 'failed' && <span className="stage-note bad">{detail ?? 'Stopped here'}</span>}
        {next && <span className="stage-note">Waiting for its turn</span>}
        {state === 'skipped' && <span className="stage-note">Skipped</span>}
      </div>
    </li>
  );
}

function taken(stage: Stage): string {
  if (!stage.started_at || !stage.finished_at) return '';
  const seconds = (Date.parse(stage.finished_at) - Date.parse(stage.started_at)) / 1000;
  return seconds < 1 ? 'in under 1 s' : `in ${length(seconds)}`;
}

function summary(media: Media): string {
  const { transcript, moments, clips, chosen_by: chosenBy } = media;
  const parts = [
    counted(transcript?.words ?? 0, 'word'),
    transcript && transcript.speakers > 0 && counted(transcript.speakers, 'voice'),
    counted(moments ?? 0, 'moment'),
    counted(clips?.ready ?? 0, 'clip'),
    chosenBy && `chosen by ${finder(chosenBy)}`,
  ];
  return parts.filter(Boolean).join(' · ');
}

function counted(count: number, thing: string): string {
  return `${count.toLocaleString()} ${count === 1 ? thing : `${thing}s`}`;
}

function finder(chosenBy: string): string {
  return chosenBy === 'built-in' ? 'the built-in scorer' : chosenBy.replace('ollama:', '');
}

/** Only changes of stage are read aloud; numbers would never stop. */
function announcement(media: Media): string {
  if (media.problem) return media.problem.detail;
  const stage = running(media);
  return stage ? `${STAGE_TITLES[stage.name]}: running` : media.status === 'ready' ? 'Ready' : '';
}
