import { expect } from 'chai';
import { parseBackEndOptions } from '../../cli/replay/back-end-options.js';
import { chooseTargets } from '../../cli/replay/target-choice.js';

describe('the settings of --target vhost-user', () => {
  it('are none where nothing is said, and the path is all that comes before them', () => {
    expect(parseBackEndOptions('/run/a:b=c.sock')).to.deep.equal({
      path: '/run/a:b=c.sock',
      connection: {},
      target: {},
    });
  });

  it('come in any order', () => {
    const expected = {
      path: 'disk',
      connection: { timeout: 2500 },
      target: { readOnly: 'share', device: 'share' },
    };
    expect(parseBackEndOptions('disk,read-only=share,device=share,timeout=2.5')).to.deep.equal(expected);
    expect(parseBackEndOptions('disk,timeout=2.5,device=share,read-only=share')).to.deep.equal(expected);
  });

  for (const [text, message] of [
    ['', 'the path of the socket is empty'],
    [',timeout=1', 'the path of the socket is empty'],
    ['disk,sock', 'there is no setting "sock" of a back end: the settings are read-only='],
    ['disk,a.sock', 'If the path has a comma, give a symbolic link'],
    ['disk,read-only=no', '"read-only=no": it can be skip, refuse, share'],
    ['disk,device=refuse', '"device=refuse": it can be skip, share'],
    ['disk,device', '"device": it can be skip, share'],
    ['disk,timeout=1,timeout=2', '"timeout=2" is the second of its kind: give it once'],
    ...['', '0', '-1', '1e3', 'x', 'Infinity', '0.0001', '86401'].map((time) => [
      `disk,timeout=${time}`,
      `timeout "${time}" is not a time limit: give seconds, from 0.001 to 86400`,
    ]),
  ] as const) {
    it(`are refused: ${text}`, () => {
      expect(() => parseBackEndOptions(text ?? '')).to.throw(RangeError, message ?? '');
    });
  }

  it('are refused with the name of the option, also without a path', () => {
    for (const [text, message] of [
      ['vhost-user', /^--target vhost-user: it takes the path of a socket; give vhost-user:\/run\/disk\.sock, /],
      ['vhost-user:', /^--target vhost-user:: the path of the socket is empty$/],
      ['vhost-user,timeout=1', /^--target vhost-user,timeout=1: the path comes before the settings; give one of /],
      ['vhost-user:disk,x', /^--target vhost-user:disk,x: there is no setting "x" of a back end/],
    ] as const) {
      expect(() => chooseTargets([text]), text)
        .to.throw(message)
        .with.property('name', 'UsageError');
    }
  });

  it('are no part of the name of the target', () => {
    const names = chooseTargets(['vhost-user:/run/disk.sock,timeout=1', 'vhost-user:/run/disk.sock']).map(
      ({ name }) => name,
    );
    expect(names).to.deep.equal(['vhost-user:/run/disk.sock', 'vhost-user:/run/disk.sock-2']);
  });
});
