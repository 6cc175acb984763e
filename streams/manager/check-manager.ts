import { show } from '../util/checks.js';
import { RegionManager } from './region-manager.js';

/** @throws TypeError */
export function checkManager(manager: unknown, where: string): asserts manager is RegionManager {
  if (!(manager instanceof RegionManager)) {
    throw new TypeError(`${where} needs a RegionManager, not ${show(manager)}`);
  }
}
