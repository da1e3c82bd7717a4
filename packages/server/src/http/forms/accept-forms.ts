import type { FastifyInstance, FastifyRequest } from 'fastify';
import { UnsupportedMediaType } from '../../errors.ts';
import { describeMediaTypes } from '../media-types.ts';

const FORM = 'multipart/form-data';

/** Whether the body is a form. */
export const isForm = ({ headers }: Pick<FastifyRequest, 'headers'>): boolean =>
  /^multipart\/form-data[ \t]*(?:;|$)/i.test(headers['content-type'] ?? '');

/** Leaves the body of a form to the handlers of routes that state the media type. */
export function acceptForms(app: FastifyInstance): void {
  app.addContentTypeParser(FORM, (request, _body, done) => {
    const { definition } = request.routeOptions.config;
    if (definition?.media?.[FORM]) done(null);
    else done(new UnsupportedMediaType(describeMediaTypes(request)));
  });
}
