import { bytes } from '../../format/bytes';
import { remaining } from '../../format/time';
import { Icon, type IconName } from '../../ui/icons';
import { Progress } from '../../ui/Progress';
import { useAction } from '../../ui/useAction';
import type { UploadView } from '../../uploads/queue';
import { estimate, speed } from '../../uploads/speed';
import { useUploadQueue, useUploads } from '../../uploads/uploadContext';

/** The uploads of this tab, each with its controls. */
export function UploadList() {
  const uploads = useUploads();
  if (uploads.length === 0) return null;
  return (
    <section aria-label="Uploads">
      <ul className="uploads">
        {uploads.map((upload) => (
          <UploadRow key={upload.key} upload={upload} />
        ))}
      </ul>
    </section>
  );
}

function UploadRow({ upload }: { upload: UploadView }) {
  const queue = useUploadQueue();
  const cancel = useAction((key: string) => queue.cancel(key));
  const { key, filename, state } = upload;
  const share = upload.size > 0 ? upload.sent / upload.size : 0;
  return (
    <li className="upload">
      <div className="upload-head">
        <strong className="clipped">{filename}</strong>
        <span className="upload-percent">{Math.floor(share * 100)}%</span>
        {state === 'paused' || state === 'failed' ? (
          <Control icon="play" label={`Resume ${filename}`} onClick={() => queue.resume(key)} />
        ) : (
          <Control icon="pause" label={`Pause ${filename}`} onClick={() => queue.pause(key)} />
        )}
        <Control icon="close" label={`Cancel ${filename}`} onClick={() => cancel.run(key)} />
      </div>
      <Progress value={share} label={`Upload of ${filename}`} tone={state === 'failed' ? 'warm' : 'accent'} />
      <p className={state === 'failed' ? 'upload-note-line bad' : 'upload-note-line'}>{note(upload)}</p>
    </li>
  );
}

function Control({ icon, label, onClick }: { icon: IconName; label: string; onClick: () => void }) {
  return (
    <button type="button" className="icon-button" aria-label={label} title={label} onClick={onClick}>
      <Icon name={icon} size={16} />
    </button>
  );
}

function note(upload: UploadView): string {
  const amount = `${bytes(upload.sent)} of ${bytes(upload.size)}`;
  switch (upload.state) {
    case 'waiting':
      return `Waiting for its turn · ${bytes(upload.size)}`;
    case 'paused':
      return `Paused · ${amount}`;
    case 'failed':
      return upload.problem ?? 'The upload stopped.';
    case 'uploading': {
      if (upload.held) return `Receiving is not available right now. Trying again… · ${amount}`;
      const rate = speed(upload.samples);
      const left = estimate(upload.samples, upload.size);
      return [amount, rate && `${bytes(rate)}/s`, left !== null && remaining(left)].filter(Boolean).join(' · ');
    }
  }
}
