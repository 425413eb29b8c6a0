import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useRef } from 'react';
import { bytes } from '../../format/bytes';
import { useUser } from '../../session';
import { Icon } from '../../ui/icons';
import { Progress } from '../../ui/Progress';
import { useAction } from '../../ui/useAction';
import { discard, type Unfinished, unfinished } from '../../uploads/resumable';
import { useIntake } from '../../uploads/useIntake';
import { useUploads } from '../../uploads/uploadContext';

/** Uploads that an earlier visit left behind. A page can't open files by itself: the person chooses the file once more. */
export function UnfinishedUploads() {
  const user = useUser();
  const names = useUploads().map((upload) => upload.filename);
  const { data = [] } = useQuery({
    queryKey: ['unfinished', user.id],
    queryFn: () => unfinished(user.id),
    staleTime: Infinity,
  });
  const left = data.filter((upload) => !names.includes(upload.filename));
  if (left.length === 0) return null;
  return (
    <section aria-label="Unfinished uploads">
      <ul className="uploads">
        {left.map((upload) => (
          <Row key={upload.storageKey} upload={upload} />
        ))}
      </ul>
    </section>
  );
}

function Row({ upload }: { upload: Unfinished }) {
  const { addFiles } = useIntake();
  const client = useQueryClient();
  const picker = useRef<HTMLInputElement>(null);
  const drop = useAction(discard, () => {
    void client.invalidateQueries({ queryKey: ['unfinished'] });
    void client.invalidateQueries({ queryKey: ['library'] });
  });
  return (
    <li className="upload upload-left">
      <div className="upload-head">
        <strong className="clipped">{upload.filename}</strong>
        <button type="button" className="button button-small" onClick={() => picker.current?.click()}>
          Choose it again
        </button>
        <button
          type="button"
          className="icon-button"
          aria-label={`Discard ${upload.filename}`}
          disabled={drop.pending}
          onClick={() => drop.run(upload)}
        >
          <Icon name="trash" size={16} />
        </button>
      </div>
      <Progress value={upload.sent / upload.size} label={`Upload of ${upload.filename}`} tone="warm" />
      <p className="upload-note-line">
        Not finished: {bytes(upload.sent)} of {bytes(upload.size)} arrived. Choose the same file to send the rest.
      </p>
      <input
        ref={picker}
        className="visually-hidden"
        type="file"
        tabIndex={-1}
        aria-label={`Choose ${upload.filename} again`}
        onChange={(event) => addFiles(event.target.files ?? [])}
      />
    </li>
  );
}
