/** What went wrong with a camera or a microphone, as a sentence the visitor can act on. */
import { MediaDeviceFailure } from 'livekit-client';
import type { FailureName } from '../text/en.ts';

export type CaptureKind = 'camera' | 'microphone';

const SENTENCES: Record<CaptureKind, Record<MediaDeviceFailure, FailureName>> = {
  camera: {
    [MediaDeviceFailure.PermissionDenied]: 'cameraDenied',
    [MediaDeviceFailure.NotFound]: 'cameraMissing',
    [MediaDeviceFailure.DeviceInUse]: 'cameraBusy',
    [MediaDeviceFailure.Other]: 'cameraFailed',
  },
  microphone: {
    [MediaDeviceFailure.PermissionDenied]: 'micDenied',
    [MediaDeviceFailure.NotFound]: 'micMissing',
    [MediaDeviceFailure.DeviceInUse]: 'micBusy',
    [MediaDeviceFailure.Other]: 'micFailed',
  },
};

export function captureFailure(error: unknown, kind: CaptureKind): FailureName {
  if (!navigator.mediaDevices) return 'insecure';
  return SENTENCES[kind][MediaDeviceFailure.getFailure(error) ?? MediaDeviceFailure.Other];
}
