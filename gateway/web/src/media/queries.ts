/** What the pages read of the library, and under which names it is kept. The live feed keeps it fresh. */
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import * as api from '../api/endpoints';
import { isAway } from '../api/http';
import type { Media } from '../api/types';
import { visible } from '../live/cache';

/** A list of recordings or clips, newest first, read page by page. */
export function useLibrary(filter: api.LibraryFilter) {
  return useInfiniteQuery({
    queryKey: ['library', filter],
    queryFn: async ({ pageParam }) => visible(await api.library(filter, pageParam)),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    placeholderData: (previous) => previous,
  });
}

export function useMedia(id: string) {
  return useQuery({ queryKey: ['media', id], queryFn: () => api.media(id) });
}

/** Where to play it, good for minutes. `wanted` false asks for nothing yet. */
export function usePlayback(id: string, wanted: boolean) {
  return useQuery({
    queryKey: ['playback', id],
    queryFn: async () => {
      const grant = await api.playback(id);
      return { ...grant, url: here(grant.url), poster_url: grant.poster_url && here(grant.poster_url) };
    },
    enabled: wanted,
    // Who plays a file hears of it a moment after the library does: "not found" may only mean "not yet".
    retry: (count, error) => count < 5 && !isAway(error),
    retryDelay: (attempt) => 300 * 2 ** attempt,
    // Asked for again well before the grant ends; what plays keeps the address that it began with.
    staleTime: 5 * 60_000,
    refetchOnWindowFocus: false,
  });
}

/** The transcript. While the recording is being heard, it is what was heard so far, read again as that grows. */
export function useTranscript(media: Media) {
  const hearing = media.transcript === null && media.stages.some(({ name, state }) => name === 'transcribe' && state === 'running');
  return useQuery({
    queryKey: ['transcript', media.id],
    queryFn: () => api.transcript(media.id),
    enabled: media.transcript !== null || hearing,
    staleTime: ({ state }) => (state.data?.complete ? Infinity : 0),
    refetchInterval: ({ state }) => (state.data?.complete ? false : HEARING_BEAT),
    retry: false,
  });
}

const HEARING_BEAT = 5000; // milliseconds

/** The found moments. Read again when their number or their finder changes. */
export function useMoments(media: Media) {
  return useQuery({
    queryKey: ['moments', media.id, media.moments, media.chosen_by],
    queryFn: () => api.moments(media.id),
    enabled: media.moments !== null,
    placeholderData: (previous) => previous,
  });
}

export function usePresets() {
  return useQuery({ queryKey: ['presets'], queryFn: api.presets, staleTime: Infinity });
}

/** The name of a look as people know it. */
export function usePresetLabel(preset: string | null): string | null {
  const presets = usePresets().data;
  return presets?.find((one) => one.preset === preset)?.label ?? preset;
}

export function useSystem() {
  return useQuery({ queryKey: ['system'], queryFn: api.system });
}

/** A played file's address by the name under which the app itself was reached, as the content policy demands. */
function here(url: string): string {
  const { pathname, search } = new URL(url, location.href);
  return pathname + search;
}
